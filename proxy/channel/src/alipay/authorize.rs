//! Whose `auth_code` it is (channels.md 3.1, 7): signed like every call, its parameters beside `biz_content`.

use super::{allowed::GRANT, answer, compose, open_api};
use crate::{Account, ComposeError, Draft, Stamp, authorize::Whose, strict_json, strict_json::Value};
use domain::Operation;
use serde::Serialize;
use std::sync::Arc;
use vault::{Payer, PayerField, Text};
use zeroize::Zeroizing;

/// The call.
pub(crate) const METHOD: &str = "alipay.system.oauth.token";

/// Where the parameters are the content (channels.md 3.8).
#[derive(Serialize)]
struct Token<'a> {
    code: &'a str,
    grant_type: &'static str,
}

/// Asks.
pub(crate) fn token(account: &Account, stamp: &Stamp, code: &Text) -> Result<Draft, ComposeError> {
    if open_api::has(account, METHOD) {
        let content = Token {
            code: code.expose(),
            grant_type: GRANT,
        };
        return open_api::draft(account, stamp, METHOD, false, &content);
    }
    let mut parameters = compose::parameters(account, stamp, METHOD, false, Zeroizing::default());
    parameters.push(("code", Zeroizing::new(code.expose().to_owned())));
    parameters.push(("grant_type", Zeroizing::new(GRANT.to_owned())));
    parameters.sort_by_key(|(name, _)| *name);
    compose::to_sign(account, parameters)
}

/// Reads the answer.
pub(crate) fn read(account: &Account, body: &[u8]) -> Whose {
    let Ok(value) = strict_json::parse(body) else {
        return Whose::Unclear;
    };
    if open_api::answers(account, Operation::Authorize) {
        return said(&value, value.text("code").is_some());
    }
    match answer::node(Operation::Authorize, &value) {
        Some(node) => said(&node.value, node.name == "error_response"),
        None => Whose::Unclear,
    }
}

/// `user_id`, for newer apps `open_id`; where both are there the first, which every app may use. What refuses names nobody.
fn said(node: &Value, refuses: bool) -> Whose {
    let text = |name: &str| node.text(name).filter(|text| !text.is_empty());
    let named = [
        ("user_id", PayerField::BuyerId),
        ("open_id", PayerField::BuyerOpenId),
    ];
    let found = named.into_iter().find_map(|(name, field)| {
        Some(Payer {
            field,
            value: text(name)?.into(),
        })
    });
    match found {
        Some(payer) if !refuses => Whose::Payer(payer),
        _ => [text("sub_code"), text("code")]
            .into_iter()
            .flatten()
            .find(|code| answer::is_code(code))
            .map_or(Whose::Unclear, |code| Whose::Refused(Arc::from(code))),
    }
}
