//! Native mode one 模式一 (channels.md 2.4): a static code of a product; the channel asks us who scanned it and gets a
//! prepay id. MD5, since neither the code nor the exchange has a word for another digest.

use super::{Message, sign};
use crate::{Account, ComposeError, Stamp, draft::Parameter, keys, notice::NoticeError, strict_xml};
use domain::KeyRef;
use vault::{Payer, PayerField, Text};
use zeroize::Zeroizing;

/// The text of a product's code, not yet signed.
pub struct ProductCode {
    key: KeyRef,
    fields: Vec<Parameter>,
}

impl ProductCode {
    /// Of this product: 1 to 32 letters, digits, `_` and `-`, so that nothing needs an escape.
    pub fn compose(account: &Account, stamp: &Stamp, product: &str) -> Result<ProductCode, ComposeError> {
        if !is_product(product) {
            return Err(ComposeError::Number);
        }
        let time = stamp.at.secs().to_string();
        let fields = [
            (
                "appid",
                account.appid.as_deref().ok_or(ComposeError::Account("appid"))?,
            ),
            ("mch_id", account.account.as_str()),
            ("nonce_str", &stamp.nonce),
            ("product_id", product),
            ("time_stamp", &time),
        ];
        let fields = fields
            .map(|(name, value)| (name, Zeroizing::new(value.to_owned())))
            .to_vec();
        Ok(ProductCode {
            key: keys::wechat_apiv2_md5(&account.account)?,
            fields,
        })
    }

    /// The octets to sign.
    pub fn message(&self) -> Zeroizing<Vec<u8>> {
        sign::message(&self.fields)
    }

    /// The key to sign with.
    pub fn key(&self) -> &KeyRef {
        &self.key
    }

    /// The text of the code.
    pub fn sign_with(self, signature: &[u8]) -> String {
        let pairs: Vec<String> = self
            .fields
            .iter()
            .map(|(name, value)| format!("{name}={}", **value))
            .collect();
        format!(
            "weixin://wxpay/bizpayurl?{}&sign={}",
            pairs.join("&"),
            *sign::shown(signature)
        )
    }
}

fn is_product(product: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=32).contains(&product.len()) && product.bytes().all(word)
}

/// What the channel says when somebody has scanned a product's code.
pub struct Scanned {
    /// Which product.
    pub product: String,
    /// Who scanned it.
    pub payer: Payer,
    message: Zeroizing<Vec<u8>>,
    signature: Vec<u8>,
    key: KeyRef,
}

impl Scanned {
    /// Reads the call.
    pub fn read(account: &Account, body: &[u8]) -> Result<Scanned, NoticeError> {
        let said = Message::read(body)?;
        let own = said.get("mch_id") == Some(account.account.as_str())
            && said.get("appid") == account.appid.as_deref();
        if !own {
            return Err(NoticeError::Account);
        }
        let product = said
            .get("product_id")
            .filter(|p| is_product(p))
            .ok_or(NoticeError::Field("product_id"))?;
        let openid = said.get("openid").ok_or(NoticeError::Field("openid"))?;
        Ok(Scanned {
            product: product.to_owned(),
            payer: Payer {
                field: PayerField::Openid,
                value: Text::from(openid),
            },
            message: said.message(),
            signature: said.signature().ok_or(NoticeError::Envelope("sign"))?,
            key: keys::wechat_apiv2_md5(&account.account)?,
        })
    }

    /// What must verify before it counts: key, octets, signature.
    pub fn proof(&self) -> (&KeyRef, &[u8], &[u8]) {
        (&self.key, &self.message, &self.signature)
    }
}

/// Our answer to it, not yet signed.
pub struct ScanAnswer {
    key: KeyRef,
    fields: Vec<Parameter>,
}

impl ScanAnswer {
    /// With a prepay id, or with words for the payer why there is none.
    pub fn compose(
        account: &Account,
        nonce: &str,
        prepay_id: Result<&str, &str>,
    ) -> Result<ScanAnswer, ComposeError> {
        let mut fields: Vec<Parameter> = Vec::with_capacity(8);
        let mut put = |name, value: &str| fields.push((name, Zeroizing::new(value.to_owned())));
        put("return_code", "SUCCESS");
        put(
            "appid",
            account.appid.as_deref().ok_or(ComposeError::Account("appid"))?,
        );
        put("mch_id", account.account.as_str());
        put("nonce_str", nonce);
        match prepay_id {
            Ok(prepay_id) => {
                put("prepay_id", prepay_id);
                put("result_code", "SUCCESS");
            }
            Err(why) => {
                put("result_code", "FAIL");
                put("err_code_des", why);
            }
        }
        Ok(ScanAnswer {
            key: keys::wechat_apiv2_md5(&account.account)?,
            fields,
        })
    }

    /// The octets to sign.
    pub fn message(&self) -> Zeroizing<Vec<u8>> {
        sign::message(&self.fields)
    }

    /// The key to sign with.
    pub fn key(&self) -> &KeyRef {
        &self.key
    }

    /// The body of the answer.
    pub fn sign_with(mut self, signature: &[u8]) -> Result<Zeroizing<Vec<u8>>, ComposeError> {
        self.fields.push(("sign", sign::shown(signature)));
        strict_xml::write(&self.fields).map_err(ComposeError::Characters)
    }
}
