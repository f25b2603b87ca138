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
    /// True where the channel takes it as an address too, and not only as a form.
    pub(crate) by_address: bool,
    /// The whole query, where the channel takes an address only and has its own way to write one.
    pub(crate) written: Option<Zeroizing<String>>,
}

impl HandedOut {
    /// For the channel's SDK in the merchant's app: all parameters as a query.
    pub fn for_app(&self) -> Value {
        json!({ "order_string": self.query().as_str() })
    }

    /// For the payer's browser, at the channel's `origin` (`https://host`): a form to post, and where the channel takes that
    /// too an address to go to; else a page that posts the form by itself.
    pub fn for_browser(&self, origin: &str) -> Value {
        let place = format!("{origin}{}", self.path);
        if let Some(query) = &self.written {
            return json!({ "url": format!("{place}?{}", query.as_str()) });
        }
        if !self.by_address {
            return self.as_form(&place);
        }
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
        json!({ "url": format!("{place}?{}", self.query().as_str()), "form": { "action": action, "method": "POST", "charset": "UTF-8", "fields": fields } })
    }

    fn as_form(&self, place: &str) -> Value {
        let fields: Map<String, Value> = self
            .parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
            .collect();
        json!({ "form": { "action": place, "method": "POST", "charset": "UTF-8", "fields": fields }, "page": self.page(place).as_str() })
    }

    /// A whole page for the payer's browser. It runs nothing of anybody else's, and posts by a click where scripts are off.
    fn page(&self, place: &str) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::with_capacity(4096));
        out.push_str("<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><title>正在前往银行</title></head><body>");
        out.push_str(&format!(
            "<form method=\"post\" accept-charset=\"UTF-8\" action=\"{}\">",
            escaped(place).as_str()
        ));
        for (name, value) in &self.parameters {
            out.push_str(&format!("<input type=\"hidden\" name=\"{name}\" value=\""));
            out.push_str(&escaped(value));
            out.push_str("\">");
        }
        out.push_str(
            "<noscript><button type=\"submit\">前往银行付款 Continue to your bank</button></noscript></form>",
        );
        out.push_str("<script>document.forms[0].submit()</script></body></html>");
        out
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

/// A text inside of a quoted attribute.
pub(crate) fn escaped(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(text.len() + 32));
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            plain => out.push(plain),
        }
    }
    out
}
