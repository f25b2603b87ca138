//! Requests to CCB (channels.md 6.3): pairs in a fixed order, each with a MAC. Who is paid is MERCHANTID, POSID and BRANCHID,
//! the account's own, and no other field could name anybody.

use crate::{
    Account, ComposeError, CreateFacts, Draft, Request, Stamp,
    draft::{Parameter, Place},
    keys,
};
use domain::{ChannelNo, KeyRef, PayWay};
use vault::{Buyer, Text};
use zeroize::Zeroizing;

/// Longest number of an order [unverified; integrators of the time].
pub(crate) const LONGEST: usize = 30;
/// The one address for everything.
const PATH: &str = "/CCBIS/ccbMain";

/// Up to 30 letters and digits.
pub(crate) fn number_fits(number: &str) -> bool {
    (1..=LONGEST).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The form that the payer's browser posts to the bank. The remarks, which come back in every notice, stay empty: free text is
/// nobody's business on that way. The bank's form has no field for when an order ends.
pub(crate) fn hand_out(
    account: &Account,
    facts: &CreateFacts<'_>,
    buyer: &Buyer,
) -> Result<Draft, ComposeError> {
    if facts.pay_way != PayWay::Gateway {
        return Err(ComposeError::NotOffered);
    }
    let yuan = facts.amount.to_yuan();
    let sold = escaped(buyer.description.expose());
    let address = buyer.client_ip.as_ref().map_or("", Text::expose);
    let mut said = Said::of(account, facts.number)?;
    said.put("ORDERID", facts.number.as_str());
    said.put("PAYMENT", &yuan);
    said.put("CURCODE", "01");
    said.put("TXCODE", "520100");
    said.put("REMARK1", "");
    said.put("REMARK2", "");
    said.put("TYPE", "1");
    // Signed, not sent: `certs` puts the end of the counter's public key where the octet 0 stands.
    said.sign_only("PUB=\0");
    said.put("GATEWAY", "0");
    said.put("CLIENTIP", address);
    said.put("REGINFO", "");
    said.put("PROINFO", &sold);
    said.put("REFERER", "");
    said.draft(account, None)
}

/// Asks for an order. The password of whoever may ask is sent and not signed. Of the day of the order what is not settled yet is
/// asked for, whatever became of it; later what is settled, where only what was paid can be asked for. On the day in
/// between either may hold it, and both are asked by turns.
pub(crate) fn query(account: &Account, stamp: &Stamp, number: &ChannelNo) -> Result<Draft, ComposeError> {
    let settled = match stamp.at.day().number() - stamp.begun.day().number() {
        ..=0 => false,
        1 => stamp.at.secs() % 2 == 0,
        _ => true,
    };
    let (kind, status) = if settled { ("1", "1") } else { ("0", "3") };
    let mut said = Said(Vec::new(), Zeroizing::default());
    let bank = branch(account)?;
    said.put("MERCHANTID", account.payee.as_str());
    said.put("BRANCHID", bank);
    said.put("POSID", account.account.as_str());
    said.put("ORDERDATE", "");
    said.put("BEGORDERTIME", "");
    said.put("ENDORDERTIME", "");
    said.put("ORDERID", number.as_str());
    said.put("QUPWD", "");
    said.put("TXCODE", "410408");
    said.put("TYPE", "0");
    said.put("KIND", kind);
    said.put("STATUS", status);
    said.put("SEL_TYPE", "3");
    said.put("PAGE", "1");
    said.put("OPERATOR", "");
    said.put("CHANNEL", "");
    said.draft(account, Some(keys::ccb_password(&account.account)?))
}

fn branch(account: &Account) -> Result<&str, ComposeError> {
    let bank = account.bank.as_ref().and_then(|bank| bank.branch.as_deref());
    bank.ok_or(ComposeError::Account("bank.branch (BRANCHID)"))
}

/// Characters as JavaScript's `escape` writes them, so that the text is ASCII whatever the bank's encoding is.
fn escaped(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(6 * text.len()));
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b) if b.is_ascii_alphanumeric() || b"@*_+-./".contains(&b) => out.push(char::from(b)),
            Ok(b) => out.push_str(&format!("%{b:02X}")),
            Err(_) => out.push_str(&format!("%u{unit:04X}")),
        }
    }
    out
}

/// What a request says, and what is signed of it.
struct Said(Vec<Parameter>, Zeroizing<Vec<u8>>);

impl Said {
    /// An order's: it begins with who is paid.
    fn of(account: &Account, number: &ChannelNo) -> Result<Said, ComposeError> {
        if !number_fits(number.as_str()) {
            return Err(ComposeError::Number);
        }
        let mut said = Said(Vec::with_capacity(20), Zeroizing::default());
        said.put("MERCHANTID", account.payee.as_str());
        said.put("POSID", account.account.as_str());
        said.put("BRANCHID", branch(account)?);
        Ok(said)
    }

    fn put(&mut self, name: &'static str, value: &str) {
        self.0.push((name, Zeroizing::new(value.to_owned())));
        self.sign_only(&format!("{name}={value}"));
    }

    fn sign_only(&mut self, pair: &str) {
        if !self.1.is_empty() {
            self.1.push(b'&');
        }
        self.1.extend_from_slice(pair.as_bytes());
    }

    fn draft(self, account: &Account, password: Option<KeyRef>) -> Result<Draft, ComposeError> {
        let headers = vec![
            ("Accept".into(), "*/*".into()),
            ("User-Agent".into(), "guandao/0.1".into()),
            ("Content-Type".into(), "application/x-www-form-urlencoded".into()),
        ];
        let request = Request {
            method: "POST".into(),
            target: PATH.into(),
            headers,
            body: Zeroizing::default(),
            identity: None,
        };
        Ok(Draft {
            message: self.1,
            key: keys::ccb_bank(&account.account)?,
            place: Place::Mac {
                request,
                parameters: self.0,
                password: password.map(|key| ("QUPWD", key)),
            },
            content_key: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_written_as_javascript_escapes_them() {
        assert_eq!(
            escaped("龙井 & tea@shop/1+1=2%ü😀").as_str(),
            "%u9F99%u4E95%20%26%20tea@shop/1+1%3D2%25%FC%uD83D%uDE00"
        );
    }
}
