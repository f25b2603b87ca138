//! The one request to ICBC (channels.md 6.2): a form that the payer's browser posts, with XML in GBK, the merchant's signature
//! over it, and the merchant's certificate. Who is paid is `merID` and `merAcct`, the account's own, and nobody else has a place.

use crate::{Account, ComposeError, CreateFacts, Draft, Request, Stamp, draft::Place, gbk, keys, times};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::PayWay;
use vault::{Buyer, Text};
use zeroize::Zeroizing;

/// Longest number of an order [unverified; integrators of the time].
pub(crate) const LONGEST: usize = 30;
/// Where the form goes [unverified; integrators of the time].
const PATH: &str = "/servlet/ICBCINBSEBusinessServlet";

/// Up to 30 letters and digits.
pub(crate) fn number_fits(number: &str) -> bool {
    (1..=LONGEST).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Is this a text that the XML can carry, in GBK?
pub(crate) fn word_fits(text: &str) -> bool {
    !text.chars().any(char::is_control) && gbk::encode(text).is_some()
}

/// The order. Its date is that of its record, so that the same order is the same form however late it is signed. `notifyType` HS:
/// the bank tells; `resultType` 0: failures too. `merVAR`, which comes back in clear, stays empty.
pub(crate) fn hand_out(
    account: &Account,
    stamp: &Stamp,
    facts: &CreateFacts<'_>,
    buyer: &Buyer,
) -> Result<Draft, ComposeError> {
    if facts.pay_way != PayWay::Gateway {
        return Err(ComposeError::NotOffered);
    }
    if !number_fits(facts.number.as_str()) {
        return Err(ComposeError::Number);
    }
    let bank = account.bank.as_ref();
    let certificate = bank
        .and_then(|bank| bank.certificate.as_deref())
        .ok_or(ComposeError::Account("bank.certificate (merCert)"))?;
    let reference = bank
        .and_then(|bank| bank.reference.as_deref())
        .unwrap_or_default();
    let sold = buyer.description.expose();
    if !word_fits(sold) {
        return Err(ComposeError::Characters("description"));
    }
    let address = buyer.client_ip.as_ref().map_or("", Text::expose);
    let date = times::to_china_digits(stamp.begun);
    let fen = facts.amount.fen().to_string();
    let mut xml = Xml::default();
    xml.inside("B2CReq", |xml| {
        xml.put("interfaceName", "ICBC_PERBANK_B2C");
        xml.put("interfaceVersion", "1.0.0.11");
        xml.inside("orderInfo", |xml| {
            xml.put("orderDate", &date);
            xml.put("curType", "001");
            xml.put("merID", account.account.as_str());
            xml.inside("subOrderInfoList", |xml| {
                xml.inside("subOrderInfo", |xml| {
                    xml.put("orderid", facts.number.as_str());
                    xml.put("amount", &fen);
                    xml.put("installmentTimes", "1");
                    xml.put("merAcct", account.payee.as_str());
                    xml.put("goodsID", "");
                    xml.put("goodsName", sold);
                    xml.put("goodsNum", "1");
                    xml.put("carriageAmt", "");
                });
            });
        });
        xml.inside("custom", |xml| {
            xml.put("verifyJoinFlag", "0");
            xml.put("Language", "ZH_CN");
        });
        xml.inside("message", |xml| {
            xml.put("creditType", "2");
            xml.put("notifyType", "HS");
            xml.put("resultType", "0");
            xml.put("merReference", reference);
            xml.put("merCustomIp", address);
            xml.put("goodsType", "1");
            for name in [
                "merCustomID",
                "merCustomPhone",
                "goodsAddress",
                "merOrderRemark",
                "merHint",
                "remark1",
                "remark2",
            ] {
                xml.put(name, "");
            }
            xml.put("merURL", &account.notify_url);
            xml.put("merVAR", "");
        });
    });
    let octets = gbk::encode(&xml.0).ok_or(ComposeError::Characters("description"))?;
    let packed = Zeroizing::new(STANDARD.encode(&*octets));
    let text = |value: &str| Zeroizing::new(value.to_owned());
    let request = Request {
        method: "POST".into(),
        target: PATH.into(),
        headers: Vec::new(),
        body: Zeroizing::default(),
        identity: None,
    };
    Ok(Draft {
        message: octets,
        key: keys::icbc_merchant(&account.account)?,
        place: Place::Named {
            request,
            parameters: vec![
                ("interfaceName", text("ICBC_PERBANK_B2C")),
                ("interfaceVersion", text("1.0.0.11")),
                ("tranData", packed),
                ("merCert", text(certificate)),
            ],
            name: "merSignMsg",
        },
        content_key: None,
    })
}

/// XML as the bank's document writes it; wiped when dropped.
struct Xml(Zeroizing<String>);

impl Default for Xml {
    fn default() -> Xml {
        Xml(Zeroizing::new(
            "<?xml version=\"1.0\" encoding=\"GBK\" standalone=\"no\"?>".to_owned(),
        ))
    }
}

impl Xml {
    fn inside(&mut self, name: &str, write: impl FnOnce(&mut Xml)) {
        self.tag("<", name);
        write(self);
        self.tag("</", name);
    }

    fn put(&mut self, name: &str, value: &str) {
        self.tag("<", name);
        for c in value.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                plain => self.0.push(plain),
            }
        }
        self.tag("</", name);
    }

    fn tag(&mut self, begin: &str, name: &str) {
        self.0.push_str(begin);
        self.0.push_str(name);
        self.0.push('>');
    }
}
