//! One code, every wallet: what merchants ask for, what browsers ask, what wallets answer.

use super::{api::received, messages::account, parts, tells_no_number};
use channel::authorize::{self, Whose};
use domain::{Channel, CodeKind};
use http::Method;
use proxy::{api::parse::codes::new_code as read_code, pages::ask::Asked};

/// A code that is taken is within the law: static ones are of no order and of 500 yuan at most.
pub(crate) fn new_code(data: &[u8]) {
    match read_code(&received(b"application/json", data)) {
        Ok(code) => {
            assert_eq!(code.code.kind == CodeKind::Static, code.order_no.is_none());
            let most = policy::order_ceiling_by_code(code.code.level).map_or(u64::MAX, |most| most.fen());
            assert!(code.amount.map_or(0, |amount| amount.fen()) <= most);
            assert!(code.order_no.is_none() || code.amount.is_some());
        }
        Err(fault) => {
            assert!((400..500).contains(&fault.code.row().status));
            tells_no_number(&fault.detail, data);
        }
    }
}

/// Parts: target, form. A form is taken at the code's own page only, a field that stands twice has no value.
pub(crate) fn asked(data: &[u8]) {
    let [target, form] = parts(data);
    let Ok(uri) = http::Uri::try_from(target) else {
        return;
    };
    for method in [Method::GET, Method::POST] {
        let mut request = received(b"application/x-www-form-urlencoded", form);
        (request.head.method, request.head.uri) = (method, uri.clone());
        match Asked::read(&request) {
            Ok(asked) => {
                let names = ["amount", "way", "state", "code", "auth_code"];
                assert!(
                    names
                        .iter()
                        .filter_map(|name| asked.field(name))
                        .all(|value| !value.expose().is_empty())
                );
                assert_eq!(asked.code.as_str().len(), 16);
            }
            Err(fault) => {
                assert!((400..500).contains(&fault.code.row().status));
                tells_no_number(&fault.detail, data);
            }
        }
    }
}

/// An answer names a payer, or a code that is a short word, or nothing.
pub(crate) fn whose(data: &[u8]) {
    for channel in Channel::ALL {
        match authorize::read(&account(channel, false), data) {
            Whose::Payer(payer) => assert!(!payer.value.expose().is_empty()),
            Whose::Refused(code) => {
                assert!((1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_graphic()))
            }
            Whose::Unclear => {}
        }
    }
}
