//! Requests to the Baidu wallet (channels.md section 5): all by GET, signed over the GBK octets of their query. Nothing
//! in them could name another payee than `sp_no`, the account itself.

use super::query::Query;
use crate::{
    Account, ComposeError, CreateFacts, Draft, RefundFacts, Request, Stamp, draft::Place, keys, times,
};
use domain::{ChannelNo, PayWay};
use vault::{Buyer, Text};
use zeroize::Zeroizing;

/// Longest number of an order [unverified; integrators of the time].
pub(crate) const LONGEST: usize = 20;

/// Up to 20 letters and digits.
pub(crate) fn number_fits(number: &str) -> bool {
    (1..=LONGEST).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Is this a text that GBK has?
pub(crate) fn word_fits(text: &str) -> bool {
    crate::gbk::encode(text).is_some()
}

/// An order that the payer's browser carries to the wallet's own pages. When it was made and when it ends are the
/// order's own, so that a repeat is the same order however late it is signed.
pub(crate) fn hand_out(
    account: &Account,
    stamp: &Stamp,
    facts: &CreateFacts<'_>,
    buyer: &Buyer,
) -> Result<Draft, ComposeError> {
    let path = match facts.pay_way {
        PayWay::Page => "/api/0/pay/0/direct/0",
        PayWay::Wap => "/api/0/pay/0/wapdirect/0",
        _ => return Err(ComposeError::NotOffered),
    };
    let (fen, made, ends) = (
        facts.amount.fen().to_string(),
        times::to_china_digits(stamp.begun),
        times::to_china_digits(facts.expires),
    );
    let page_url = buyer.return_url.as_ref().map(Text::expose);
    let extra = buyer
        .attach
        .as_ref()
        .map(Text::expose)
        .filter(|text| !text.is_empty());
    let mut said = Said::of("1", account);
    said.put("order_create_time", &made)?;
    said.put("order_no", facts.number.as_str())?;
    said.put("goods_name", buyer.description.expose())?;
    said.put("total_amount", &fen)?;
    said.put("currency", "1")?;
    said.put("return_url", &account.notify_url)?;
    said.some("page_url", page_url)?;
    said.put("pay_type", "2")?;
    said.put("input_charset", "1")?;
    said.put("version", "2")?;
    said.put("expire_time", &ends)?;
    said.some("extra", extra)?;
    said.draft(account, path)
}

/// Asks for an order.
pub(crate) fn query(account: &Account, number: &ChannelNo) -> Result<Draft, ComposeError> {
    let mut said = Said::of("11", account);
    said.put("order_no", number.as_str())?;
    said.output()?;
    said.draft(account, "/api/0/query/0/pay_result_by_order_no")
}

/// Pays back, to where the money came from (`refund_type` 2).
pub(crate) fn refund(
    account: &Account,
    stamp: &Stamp,
    facts: &RefundFacts<'_>,
) -> Result<Draft, ComposeError> {
    let (fen, made) = (
        facts.amount.fen().to_string(),
        times::to_china_digits(stamp.begun),
    );
    let mut said = Said::of("2", account);
    said.put("order_no", facts.number.as_str())?;
    said.put("cashback_amount", &fen)?;
    said.put("cashback_time", &made)?;
    said.put("currency", "1")?;
    said.put("sp_refund_no", facts.refund.as_str())?;
    said.put("return_url", &account.notify_url)?;
    said.put("return_method", "1")?;
    said.put("refund_type", "2")?;
    said.put("input_charset", "1")?;
    said.output()?;
    said.draft(account, "/api/0/refund")
}

/// Asks for a refund.
pub(crate) fn refund_query(
    account: &Account,
    number: &ChannelNo,
    refund: &ChannelNo,
) -> Result<Draft, ComposeError> {
    let mut said = Said::of("12", account);
    said.put("order_no", number.as_str())?;
    said.put("sp_refund_no", refund.as_str())?;
    said.output()?;
    said.draft(account, "/api/0/refund/0/query")
}

/// What a request says.
struct Said(Query, Result<(), ComposeError>);

impl Said {
    fn of(service: &str, account: &Account) -> Said {
        let mut query = Query::default();
        let fits = query.push("service_code", service) && query.push("sp_no", account.account.as_str());
        Said(query, if fits { Ok(()) } else { Err(ComposeError::Number) })
    }

    fn put(&mut self, name: &'static str, value: &str) -> Result<(), ComposeError> {
        let fits = self.0.push(name, value);
        if fits {
            Ok(())
        } else {
            Err(ComposeError::Missing("texts that GBK has"))
        }
    }

    fn some(&mut self, name: &'static str, value: Option<&str>) -> Result<(), ComposeError> {
        value.map_or(Ok(()), |value| self.put(name, value))
    }

    /// An answer as XML in GBK.
    fn output(&mut self) -> Result<(), ComposeError> {
        self.put("output_type", "1")?;
        self.put("output_charset", "1")?;
        self.put("version", "2")
    }

    fn draft(mut self, account: &Account, path: &str) -> Result<Draft, ComposeError> {
        self.put("sign_method", if account.sha1 { "2" } else { "1" })?;
        let Said(query, began) = self;
        began?;
        let headers = vec![
            ("Accept".into(), "text/xml".into()),
            ("User-Agent".into(), "guandao/0.1".into()),
        ];
        let request = Request {
            method: "GET".into(),
            target: path.to_owned(),
            headers,
            body: Zeroizing::default(),
            identity: None,
        };
        Ok(Draft {
            message: query.to_sign(),
            key: keys::baidu(&account.account, account.sha1)?,
            place: Place::Query { request, query },
            content_key: None,
        })
    }
}
