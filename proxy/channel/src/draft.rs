//! A request composed from facts and opened texts, not yet signed.

use crate::{HandedOut, baidu::query::Query};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    Amount, BankNo, ChannelNo, Code, Instant, KeyRef, NameError, PayWay, SignMethod, TerminalMatch,
    TerminalNo, TradeNo,
};
use zeroize::Zeroizing;

/// Facts of a new order.
#[derive(Clone, Debug)]
pub struct CreateFacts<'a> {
    /// The order's number at the channel.
    pub number: &'a ChannelNo,
    /// Way to pay.
    pub pay_way: PayWay,
    /// Fen.
    pub amount: Amount,
    /// When it ends at the channel.
    pub expires: Instant,
    /// Terminal, passed on as it is (compliance.md R22).
    pub terminal: Option<&'a TerminalNo>,
    /// What that terminal was matched against: where it stands, by the acquirer's word (compliance.md R22).
    pub place: Option<&'a TerminalMatch>,
    /// The bank that the payer is led to (UnionPay's `issInsCode`, channels.md 4.3).
    pub bank: Option<&'a BankNo>,
    /// The code that the payer scanned, where the channel asks for it (WeChat's native mode one, channels.md 2.4).
    pub product: Option<&'a str>,
    /// Payment code. No channel built so far has a field for it; its limits are policy's.
    pub code: Code,
}

/// Facts of a refund.
#[derive(Clone, Debug)]
pub struct RefundFacts<'a> {
    /// The order's number at the channel.
    pub number: &'a ChannelNo,
    /// The refund's number at the channel.
    pub refund: &'a ChannelNo,
    /// The channel's own number of the payment; UnionPay must be told (`origQryId`, channels.md 4.3).
    pub trade_no: Option<&'a TradeNo>,
    /// Fen that go back.
    pub amount: Amount,
    /// Fen that were paid.
    pub total: Amount,
}

/// Why a message cannot be composed. Names fields, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// The registry lacks something of the account.
    #[error("the account has no {0}")]
    Account(&'static str),
    /// The order lacks something that this way to pay needs.
    #[error("this way to pay needs {0}")]
    Missing(&'static str),
    /// The channel does not have this way to pay or call.
    #[error("the channel does not offer this")]
    NotOffered,
    /// The number does not fit the channel.
    #[error("the channel cannot carry this number")]
    Number,
    /// `detail` is not the JSON that this channel takes.
    #[error("detail is not what this channel takes: {0}")]
    Detail(String),
    /// A key's name cannot be made.
    #[error(transparent)]
    Key(#[from] NameError),
    /// A text has a character that the channel's messages cannot carry.
    #[error("{0} has a character that the channel cannot carry")]
    Characters(&'static str),
    /// JSON could not be written.
    #[error("the body could not be written")]
    Write,
}

/// A request ready for the wire.
pub struct Request {
    /// Method.
    pub method: String,
    /// Raw path and query.
    pub target: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body octets, wiped when dropped.
    pub body: Zeroizing<Vec<u8>>,
    /// Who we are in TLS, where the channel asks for that.
    pub identity: Option<Identity>,
}

/// A client's certificate and the key behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate's name.
    pub certificate: KeyRef,
    /// The private key's name.
    pub key: KeyRef,
}

/// A composed request that lacks its signature.
pub struct Draft {
    pub(crate) message: Zeroizing<Vec<u8>>,
    pub(crate) key: KeyRef,
    pub(crate) place: Place,
    /// Encrypts the content before it is signed; until then there is no message (channels.md 3.2).
    pub(crate) content_key: Option<KeyRef>,
}

/// The parameter whose value is encrypted where content is.
pub(crate) const CONTENT: &str = "biz_content";

/// A parameter of a form; wiped when dropped.
pub(crate) type Parameter = (&'static str, Zeroizing<String>);

/// Where the signature goes.
pub(crate) enum Place {
    /// Into the `Authorization` header after this prefix (channels.md 1.4).
    Header { request: Request, prefix: String },
    /// Into the `Authorization` header as `sign`, behind what it names (channels.md 3.8).
    OpenApi { request: Request, auth_string: String },
    /// Into the form as `sign`; parameters are sorted (channels.md 3.1).
    Form {
        request: Request,
        parameters: Vec<Parameter>,
    },
    /// Into the form as `signature` (channels.md 4.2).
    Signature {
        request: Request,
        parameters: Vec<Parameter>,
        method: SignMethod,
    },
    /// Into the query as `sign`, a digest in hex (channels.md section 5).
    Query { request: Request, query: Query },
    /// Into the form as `MAC`, a digest in hex (channels.md 6.3). A password that the protocol sends, and does not sign, goes
    /// to its parameter.
    Mac {
        request: Request,
        parameters: Vec<Parameter>,
        password: Option<(&'static str, KeyRef)>,
    },
    /// Into the form under this name, base64 (channels.md 6.2).
    Named {
        request: Request,
        parameters: Vec<Parameter>,
        name: &'static str,
    },
    /// Into JSON in a form as `sign`, a digest in hex (channels.md 6.4).
    Json { request: Request, said: Vec<Parameter> },
    /// Into flat XML as `sign`, hex in upper case (channels.md 2.1).
    Xml {
        request: Request,
        fields: Vec<Parameter>,
    },
}

impl Draft {
    /// Content that must be encrypted first, and the key; `None` where it travels as it is.
    pub fn to_encrypt(&self) -> Option<(&KeyRef, &[u8])> {
        let key = self.content_key.as_ref()?;
        match &self.place {
            Place::Form { parameters, .. } => {
                let content = parameters.iter().find(|(name, _)| *name == CONTENT)?;
                Some((key, content.1.as_bytes()))
            }
            Place::OpenApi { request, .. } => Some((key, &request.body)),
            _ => None,
        }
    }

    /// Puts the encrypted content into its place.
    pub fn encrypted(mut self, ciphertext: &[u8]) -> Draft {
        match &mut self.place {
            Place::Form { parameters, .. } => {
                let content = parameters.iter_mut().filter(|(name, _)| *name == CONTENT);
                content.for_each(|(_, value)| *value = Zeroizing::new(STANDARD.encode(ciphertext)));
                self.message = crate::form::message(parameters);
                self.content_key = None;
            }
            Place::OpenApi { request, auth_string } => {
                request.body = Zeroizing::new(STANDARD.encode(ciphertext).into_bytes());
                self.message = crate::alipay::open_api::message(auth_string, request);
                self.content_key = None;
            }
            _ => {}
        }
        self
    }

    /// The password that must be sent along; `None` where the channel wants none.
    pub fn to_send_along(&self) -> Option<&KeyRef> {
        match &self.place {
            Place::Mac { password, .. } => password.as_ref().map(|(_, key)| key),
            _ => None,
        }
    }

    /// Puts the password into its place.
    pub fn with_password(mut self, text: Zeroizing<String>) -> Draft {
        if let Place::Mac {
            parameters,
            password: Some((place, _)),
            ..
        } = &mut self.place
            && let Some((_, value)) = parameters.iter_mut().find(|(name, _)| name == place)
        {
            *value = text;
        }
        self
    }

    /// The octets to sign.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The key to sign with.
    pub fn key(&self) -> &KeyRef {
        &self.key
    }

    /// How the message is vouched for.
    pub fn method(&self) -> SignMethod {
        match &self.place {
            Place::Signature { method, .. } => *method,
            Place::Header { .. }
            | Place::OpenApi { .. }
            | Place::Form { .. }
            | Place::Xml { .. }
            | Place::Query { .. }
            | Place::Named { .. }
            | Place::Json { .. }
            | Place::Mac { .. } => SignMethod::Signature,
        }
    }

    /// Who we must be in TLS to send it; `None` where nobody asks.
    pub fn identity(&self) -> Option<&Identity> {
        match &self.place {
            Place::Header { request, .. }
            | Place::OpenApi { request, .. }
            | Place::Form { request, .. }
            | Place::Signature { request, .. }
            | Place::Xml { request, .. }
            | Place::Mac { request, .. }
            | Place::Named { request, .. }
            | Place::Json { request, .. }
            | Place::Query { request, .. } => request.identity.as_ref(),
        }
    }

    /// Signs what the payer's browser or app will carry; `None` where the channel has no form for that.
    pub fn hand_out(self, signature: &[u8]) -> Option<HandedOut> {
        match self.place {
            Place::Header { .. } | Place::OpenApi { .. } | Place::Xml { .. } => None,
            Place::Form { request, parameters } => {
                let parameters = signed(parameters, signature);
                Some(HandedOut {
                    path: request.target,
                    parameters,
                    by_address: true,
                    written: None,
                })
            }
            Place::Signature {
                request,
                parameters,
                method,
            } => {
                let parameters = vouched(parameters, method, signature)?;
                Some(HandedOut {
                    path: request.target,
                    parameters,
                    by_address: false,
                    written: None,
                })
            }
            Place::Named {
                request,
                parameters,
                name,
            } => Some(HandedOut {
                path: request.target,
                parameters: named(parameters, name, signature),
                by_address: false,
                written: None,
            }),
            Place::Json { request, said } => Some(HandedOut {
                path: request.target,
                parameters: crate::cmb::compose::written(&said, signature),
                by_address: false,
                written: None,
            }),
            Place::Mac {
                request, parameters, ..
            } => Some(HandedOut {
                path: request.target,
                parameters: with_mac(parameters, signature),
                by_address: false,
                written: None,
            }),
            Place::Query { request, mut query } => {
                query.sign(signature);
                Some(HandedOut {
                    path: request.target,
                    parameters: Vec::new(),
                    by_address: true,
                    written: Some(query.write()),
                })
            }
        }
    }

    /// Puts the raw signature octets into their place.
    pub fn sign_with(self, signature: &[u8]) -> Request {
        match self.place {
            Place::Header { mut request, prefix } => {
                let signature = STANDARD.encode(signature);
                request.headers.push((
                    "Authorization".into(),
                    format!("{prefix}signature=\"{signature}\""),
                ));
                request
            }
            Place::OpenApi {
                mut request,
                auth_string,
            } => {
                let signed = crate::alipay_v3::authorization(&auth_string, signature);
                request.headers.push(("Authorization".into(), signed));
                request
            }
            Place::Form {
                mut request,
                parameters,
            } => {
                request.body = crate::form::write(&signed(parameters, signature));
                request
            }
            Place::Signature {
                mut request,
                parameters,
                method,
            } => {
                // A digest is hex text always; without one nothing is vouched for, and the channel refuses it.
                request.body =
                    crate::form::write(&vouched(parameters, method, signature).unwrap_or_default());
                request
            }
            Place::Named {
                mut request,
                parameters,
                name,
            } => {
                request.body = crate::form::write(&named(parameters, name, signature));
                request
            }
            Place::Json { mut request, said } => {
                request.body = crate::form::write(&crate::cmb::compose::written(&said, signature));
                request
            }
            Place::Mac {
                mut request,
                parameters,
                ..
            } => {
                request.body = crate::form::write(&with_mac(parameters, signature));
                request
            }
            Place::Query {
                mut request,
                mut query,
            } => {
                query.sign(signature);
                request.target = format!("{}?{}", request.target, query.write().as_str());
                request
            }
            Place::Xml {
                mut request,
                mut fields,
            } => {
                fields.push(("sign", crate::wechat::v2::shown(signature)));
                // What XML cannot carry was refused when it was composed.
                request.body = crate::strict_xml::write(&fields).unwrap_or_default();
                request
            }
        }
    }
}

/// With `sign`, sorted.
fn signed(mut parameters: Vec<Parameter>, signature: &[u8]) -> Vec<Parameter> {
    parameters.push(("sign", Zeroizing::new(STANDARD.encode(signature))));
    parameters.sort_by_key(|(name, _)| *name);
    parameters
}

/// With the signature under its name.
fn named(mut parameters: Vec<Parameter>, name: &'static str, signature: &[u8]) -> Vec<Parameter> {
    parameters.push((name, Zeroizing::new(STANDARD.encode(signature))));
    parameters
}

/// With `MAC` at the end, lower-case hex.
fn with_mac(mut parameters: Vec<Parameter>, digest: &[u8]) -> Vec<Parameter> {
    parameters.push(("MAC", Zeroizing::new(hex::encode(digest))));
    parameters
}

/// With `signature`: base64 of a signature's octets, the text of a digest as it is.
fn vouched(mut parameters: Vec<Parameter>, method: SignMethod, signature: &[u8]) -> Option<Vec<Parameter>> {
    let text = match method {
        SignMethod::Signature | SignMethod::Sm2 => STANDARD.encode(signature),
        SignMethod::KeyedSha256 | SignMethod::KeyedSm3 => std::str::from_utf8(signature).ok()?.to_owned(),
    };
    parameters.push(("signature", Zeroizing::new(text)));
    Some(parameters)
}

/// What a wallet's page needs to call up the payment (channels.md 1.10).
pub enum CallUp {
    /// Must be signed first (WeChat).
    ToSign(ToSign),
    /// Ready as it is (Alipay's in-app cashier).
    Ready(serde_json::Value),
}

/// WeChat call-up parameters that lack their signature.
pub struct ToSign {
    pub(crate) message: Vec<u8>,
    pub(crate) key: KeyRef,
    pub(crate) place: &'static str,
    pub(crate) parameters: serde_json::Map<String, serde_json::Value>,
}

impl ToSign {
    /// The octets to sign.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The key to sign with.
    pub fn key(&self) -> &KeyRef {
        &self.key
    }

    /// The parameters with `paySign`, or `sign` for apps.
    pub fn with(mut self, signature: &[u8]) -> serde_json::Value {
        self.parameters
            .insert(self.place.into(), STANDARD.encode(signature).into());
        serde_json::Value::Object(self.parameters)
    }
}
