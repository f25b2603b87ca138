//! Requests in V2 (channels.md 2.1, 2.2). We sign with HMAC-SHA256. The two that move money back show the merchant's API
//! certificate in TLS. No refund names a `notify_url`: a V2 refund notice carries no signature (channels.md 2.3), so the
//! state of a refund is asked for instead.

use super::sign::message;
use crate::{
    Account, ComposeError, CreateFacts, Draft, Identity, RefundFacts, Request, Stamp,
    draft::{Parameter, Place},
    goods, keys, strict_xml, times,
    wechat::{bodies::Store, compose::number_fits},
};
use domain::{Channel, ChannelNo};
use serde::Serialize;
use vault::{AuthCode, Buyer, Text};
use zeroize::Zeroizing;

/// Charges the payer of this code. The code stands in this one message and nowhere else.
pub(crate) fn micropay(
    account: &Account,
    stamp: &Stamp,
    facts: &CreateFacts<'_>,
    buyer: &Buyer,
    code: &AuthCode,
) -> Result<Draft, ComposeError> {
    if !number_fits(facts.number.as_str()) {
        return Err(ComposeError::Number);
    }
    let address = buyer
        .client_ip
        .as_ref()
        .ok_or(ComposeError::Missing("client_ip"))?;
    // The terminal of the registry goes first; it must be the same through the whole path (compliance.md R22).
    let device = facts
        .terminal
        .map(|t| t.as_str())
        .or(buyer.device_id.as_ref().map(Text::expose));
    let mut call = Call::new(account, stamp)?;
    call.put("attach", buyer.attach.as_ref().map(Text::expose));
    call.put("auth_code", Some(code.expose()));
    call.put("body", Some(buyer.description.expose()));
    let detail = buyer.detail.as_ref();
    let detail = detail.map(|text| goods::checked(Channel::Wechat, facts.pay_way, text));
    call.put("detail", detail.transpose()?);
    call.put("device_info", device);
    call.put("out_trade_no", Some(facts.number.as_str()));
    call.put("scene_info", shop(facts)?.as_deref());
    call.put("spbill_create_ip", Some(address.expose()));
    call.put("time_expire", Some(&times::to_china_digits(facts.expires)));
    call.put("total_fee", Some(&facts.amount.fen().to_string()));
    call.draft("/pay/micropay", false)
}

/// Places an order of native mode one (channels.md 2.4): the only one of V2's orders that we compose, since only V2 tells
/// the prepay id of a NATIVE order. Its payer is whoever scanned; V2 has no field for that.
pub(crate) fn unified(
    account: &Account,
    stamp: &Stamp,
    facts: &CreateFacts<'_>,
    buyer: &Buyer,
) -> Result<Draft, ComposeError> {
    if !number_fits(facts.number.as_str()) {
        return Err(ComposeError::Number);
    }
    let product = facts.product.ok_or(ComposeError::Missing("product"))?;
    let mut call = Call::new(account, stamp)?;
    call.put("attach", buyer.attach.as_ref().map(Text::expose));
    call.put("body", Some(buyer.description.expose()));
    call.put("device_info", facts.terminal.map(|t| t.as_str()));
    call.put("notify_url", Some(&account.notify_url));
    call.put("out_trade_no", Some(facts.number.as_str()));
    call.put("product_id", Some(product));
    call.put("scene_info", shop(facts)?.as_deref());
    // Of a NATIVE order it is the caller's own address, which nobody here knows [unverified: what stands there].
    call.put("spbill_create_ip", Some("127.0.0.1"));
    call.put("time_expire", Some(&times::to_china_digits(facts.expires)));
    call.put("total_fee", Some(&facts.amount.fen().to_string()));
    call.put("trade_type", Some("NATIVE"));
    call.draft("/pay/unifiedorder", false)
}

/// The shop of the order's terminal, with the area code: JSON in a field (channels.md W9).
//= C86
fn shop(facts: &CreateFacts<'_>) -> Result<Option<String>, ComposeError> {
    #[derive(Serialize)]
    struct Scene<'a> {
        store_info: Store<'a>,
    }
    let scene = Store::of(facts).map(|store_info| serde_json::to_string(&Scene { store_info }));
    scene.transpose().map_err(|_| ComposeError::Write)
}

/// Asks for an order by our number.
pub(crate) fn query(account: &Account, stamp: &Stamp, number: &ChannelNo) -> Result<Draft, ComposeError> {
    about(account, stamp, number, "/pay/orderquery", false)
}

/// Undoes a payment-code order.
pub(crate) fn reverse(account: &Account, stamp: &Stamp, number: &ChannelNo) -> Result<Draft, ComposeError> {
    about(account, stamp, number, "/secapi/pay/reverse", true)
}

fn about(
    account: &Account,
    stamp: &Stamp,
    number: &ChannelNo,
    path: &str,
    identified: bool,
) -> Result<Draft, ComposeError> {
    let mut call = Call::new(account, stamp)?;
    call.put("out_trade_no", Some(number.as_str()));
    call.draft(path, identified)
}

/// Pays back.
pub(crate) fn refund(
    account: &Account,
    stamp: &Stamp,
    facts: &RefundFacts<'_>,
    reason: Option<&Text>,
) -> Result<Draft, ComposeError> {
    let mut call = Call::new(account, stamp)?;
    call.put("out_refund_no", Some(facts.refund.as_str()));
    call.put("out_trade_no", Some(facts.number.as_str()));
    call.put("refund_desc", reason.map(Text::expose));
    call.put("refund_fee", Some(&facts.amount.fen().to_string()));
    call.put("total_fee", Some(&facts.total.fen().to_string()));
    call.draft("/secapi/pay/refund", true)
}

/// Asks for a refund.
pub(crate) fn refund_query(
    account: &Account,
    stamp: &Stamp,
    refund: &ChannelNo,
) -> Result<Draft, ComposeError> {
    let mut call = Call::new(account, stamp)?;
    call.put("out_refund_no", Some(refund.as_str()));
    call.draft("/pay/refundquery", false)
}

/// The fields of one call.
struct Call<'a> {
    account: &'a Account,
    fields: Vec<Parameter>,
}

impl<'a> Call<'a> {
    fn new(account: &'a Account, stamp: &Stamp) -> Result<Call<'a>, ComposeError> {
        let appid = account.appid.as_deref().ok_or(ComposeError::Account("appid"))?;
        let mut call = Call {
            account,
            fields: Vec::with_capacity(16),
        };
        call.put("appid", Some(appid));
        call.put("mch_id", Some(account.account.as_str()));
        call.put("nonce_str", Some(&stamp.nonce));
        call.put("sign_type", Some("HMAC-SHA256"));
        call.put(
            "sub_mch_id",
            account.is_partner().then_some(account.payee.as_str()),
        );
        Ok(call)
    }

    /// Empty values take no part in the signature, and none is sent.
    fn put(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.fields.push((name, Zeroizing::new(value.to_owned())));
        }
    }

    fn draft(mut self, path: &str, identified: bool) -> Result<Draft, ComposeError> {
        self.fields.sort_by_key(|(name, _)| *name);
        strict_xml::write(&self.fields).map_err(ComposeError::Characters)?;
        let mchid = &self.account.account;
        let identity = match identified {
            true => Some(Identity {
                certificate: keys::wechat_certificate(mchid)?,
                key: keys::wechat_merchant(mchid)?,
            }),
            false => None,
        };
        let headers = [
            ("Accept", "*/*"),
            ("Content-Type", "text/xml; charset=utf-8"),
            ("User-Agent", "guandao/0.1"),
        ];
        let request = Request {
            method: "POST".into(),
            target: path.into(),
            headers: headers.map(|(name, value)| (name.into(), value.into())).to_vec(),
            body: Zeroizing::default(),
            identity,
        };
        Ok(Draft {
            message: message(&self.fields),
            key: keys::wechat_apiv2(mchid)?,
            content_key: None,
            place: Place::Xml {
                request,
                fields: self.fields,
            },
        })
    }
}
