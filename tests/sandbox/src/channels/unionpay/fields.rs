//! Fields of a message, and what vouches for them (channels.md 4.2).

use crate::channels::keys::{Signer, spoilt};
use crate::channels::server::Incoming;
use crate::channels::world::Merchant;
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use sm3::Sm3;
use std::collections::BTreeMap;

/// By name, sorted as they are signed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// A request's form. `None` for what is none: another method or content type, a name twice, a query.
    pub(super) fn of(request: &Incoming) -> Option<Fields> {
        let kind = request.header("content-type").to_ascii_lowercase();
        let form = request.method == http::Method::POST
            && request.query.is_empty()
            && kind.starts_with("application/x-www-form-urlencoded");
        let mut fields = BTreeMap::new();
        if !form || std::str::from_utf8(&request.body).is_err() {
            return None;
        }
        for (name, value) in form_urlencoded::parse(&request.body) {
            if fields.insert(name.into_owned(), value.into_owned()).is_some() {
                return None;
            }
        }
        Some(Fields(fields))
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn put(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Takes these over from a request, where it has them.
    pub(super) fn echo(&mut self, request: &Fields, names: &[&str]) {
        for name in names.iter().filter(|name| !request.get(name).is_empty()) {
            self.put(name, request.get(name));
        }
    }

    /// Everything but the signature and what is empty or was not sent.
    fn text(&self, blank: bool) -> String {
        let kept = self
            .0
            .iter()
            .filter(|(name, value)| *name != "signature" && (blank || !value.is_empty()));
        kept.map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("&")
    }

    /// Whether the merchant vouches for a request.
    pub(super) fn is_signed_by(&self, merchant: &Merchant) -> bool {
        let (text, signature) = (self.text(true), self.get("signature"));
        match self.get("signMethod") {
            "01" => {
                self.get("certId") == merchant.unionpay_cert_id
                    && merchant
                        .unionpay_key
                        .verify(hex::encode(Sha256::digest(&text)).as_bytes(), signature)
            }
            "11" => signature == keyed::<Sha256>(&text, &merchant.facts.unionpay.secure_key),
            "12" => signature == keyed::<Sm3>(&text, &merchant.facts.unionpay.secure_key),
            _ => false,
        }
    }

    /// Vouches for an answer or notice in the method of the request that it belongs to.
    pub(super) fn sign(&mut self, own: &Own, merchant: &Merchant, wrong: bool) {
        let signature = match self.get("signMethod") {
            "11" => keyed::<Sha256>(&self.text(true), &merchant.facts.unionpay.secure_key),
            "12" => keyed::<Sm3>(&self.text(true), &merchant.facts.unionpay.secure_key),
            _ => {
                let odd = self.get("orderId").bytes().fold(0, |sum, b| sum ^ b) % 2;
                self.put("signPubKeyCert", own.cert_pems[usize::from(odd)].clone());
                own.signer
                    .sign(hex::encode(Sha256::digest(self.text(true))).as_bytes())
            }
        };
        self.put("signature", if wrong { spoilt(&signature) } else { signature });
    }

    /// A synchronous answer: text that is not percent-encoded.
    pub(super) fn written(&self) -> String {
        self.0
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("&")
    }

    /// An ordinary form.
    pub(super) fn form(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish()
    }

    /// What a repeat must repeat.
    pub(super) fn content(&self) -> serde_json::Value {
        serde_json::json!(
            self.0
                .iter()
                .filter(|(name, _)| *name != "signature")
                .collect::<BTreeMap<_, _>>()
        )
    }
}

fn keyed<D: Digest>(text: &str, secret: &str) -> String {
    hex::encode(D::digest(format!("{text}&{}", hex::encode(D::digest(secret)))))
}

/// What UnionPay signs with.
pub(crate) struct Own {
    signer: Signer,
    /// With the line ends of the documents; an order sees one of them.
    cert_pems: [String; 2],
}

impl Own {
    pub(crate) fn new(signer: Signer, cert_pems: [String; 2]) -> Own {
        let ends = |pem: String| pem.trim_end().replace("\r\n", "\n").replace('\n', "\r\n");
        Own {
            signer,
            cert_pems: cert_pems.map(ends),
        }
    }
}

/// Free text as the official samples ask for it: packed, or with nothing in it that a reader of answers could take for their own.
pub(super) fn is_free_text(text: &str) -> bool {
    !text.contains(['&', '=', '{', '}', '[', ']', '"', '\'']) || STANDARD.decode(text).is_ok()
}
