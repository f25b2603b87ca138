//! Whose `auth_code` it is (channels.md 3.1, 7): signed like every call, its parameters beside `biz_content`.

use super::{answer, compose};
use crate::{Account, ComposeError, Draft, Stamp, authorize::Whose, strict_json};
use domain::Operation;
use std::sync::Arc;
use vault::{Payer, PayerField, Text};
use zeroize::Zeroizing;

/// The call.
pub(crate) const METHOD: &str = "alipay.system.oauth.token";

/// Asks.
pub(crate) fn token(account: &Account, stamp: &Stamp, code: &Text) -> Result<Draft, ComposeError> {
    let mut parameters = compose::parameters(account, stamp, METHOD, false, Zeroizing::default());
    parameters.push(("code", Zeroizing::new(code.expose().to_owned())));
    parameters.push(("grant_type", Zeroizing::new("authorization_code".to_owned())));
    parameters.sort_by_key(|(name, _)| *name);
    compose::to_sign(account, parameters)
}

/// Reads the answer: `user_id`, for newer apps `open_id`. Where both are there the first goes, which every app may use.
pub(crate) fn read(body: &[u8]) -> Whose {
    let Ok(value) = strict_json::parse(body) else {
        return Whose::Unclear;
    };
    let Some(node) = answer::node(Operation::Authorize, &value) else {
        return Whose::Unclear;
    };
    let text = |name: &str| node.value.text(name).filter(|text| !text.is_empty());
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
        Some(payer) if node.name != "error_response" => Whose::Payer(payer),
        _ => [text("sub_code"), text("code")]
            .into_iter()
            .flatten()
            .find(|code| answer::is_code(code))
            .map_or(Whose::Unclear, |code| Whose::Refused(Arc::from(code))),
    }
}
