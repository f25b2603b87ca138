//! An order that the payer's browser or app carries to the channel itself, signed by us (channels.md 3.1): a page to go
//! to, a form to post, or a text for the channel's SDK in the merchant's app. It holds the free texts of the order, so it
//! is wiped when dropped and shown to nobody but the merchant that sent them.

use crate::draft::Parameter;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

/// What stands unescaped, so that readers of forms and of addresses read the same.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A signed order.
pub struct HandedOut {
    pub(crate) path: String,
    pub(crate) parameters: Vec<Parameter>,
}

impl HandedOut {
    /// For the channel's SDK in the merchant's app: all parameters as a query.
    pub fn for_app(&self) -> Value {
        json!({ "order_string": self.query().as_str() })
    }

    /// For the payer's browser, at the channel's `origin` (`https://host`): an address to go to, and the same as a form
    /// to post, for orders whose address would be too long.
    pub fn for_browser(&self, origin: &str) -> Value {
        let place = format!("{origin}{}", self.path);
        // A reader of a form has to know its charset before it reads it; so that stands in the address.
        let (charset, rest): (Vec<&Parameter>, Vec<&Parameter>) =
            self.parameters.iter().partition(|(name, _)| *name == "charset");
        let action = charset.first().map_or_else(
            || place.clone(),
            |(name, value)| format!("{place}?{name}={}", value.as_str()),
        );
        let fields: Map<String, Value> = rest
            .into_iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
            .collect();
        json!({ "url": format!("{place}?{}", self.query().as_str()), "form": { "action": action, "method": "POST", "fields": fields } })
    }

    fn query(&self) -> Zeroizing<String> {
        let most = self
            .parameters
            .iter()
            .map(|(name, value)| name.len() + 3 * value.len() + 2)
            .sum();
        let mut out = Zeroizing::new(String::with_capacity(most));
        for (name, value) in &self.parameters {
            if !out.is_empty() {
                out.push('&');
            }
            out.push_str(name);
            out.push('=');
            out.extend(utf8_percent_encode(value, PLAIN));
        }
        out
    }
}
