//! Names of keys. The keys themselves live in crate `certs`; here is only what they are called.

use domain::{AccountNo, KeyRef, NameError};

/// Signs requests: `wechat/{mchid}/merchant`.
pub fn wechat_merchant(mchid: &AccountNo) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("wechat/{mchid}/merchant"))
}

/// Checks the signatures of a merchant's own SDK: `wechat/{mchid}/merchant-public/{serial}`.
pub fn wechat_merchant_public(mchid: &AccountNo, serial: &str) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("wechat/{mchid}/merchant-public/{}", word(serial)?))
}

/// Opens sealed resources and certificates: `wechat/{mchid}/apiv3` (channels.md 1.6, 1.7).
pub fn wechat_apiv3(mchid: &AccountNo) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("wechat/{mchid}/apiv3"))
}

/// Both sides' secret of V2, signing with HMAC-SHA256: `wechat/{mchid}/apiv2` (channels.md 2.1).
pub fn wechat_apiv2(mchid: &AccountNo) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("wechat/{mchid}/apiv2"))
}

/// The same secret, signing with MD5: `wechat/{mchid}/apiv2-md5`.
pub fn wechat_apiv2_md5(mchid: &AccountNo) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("wechat/{mchid}/apiv2-md5"))
}

/// The certificate of [`wechat_merchant`], shown in TLS where V2 asks for it: `wechat/{mchid}/merchant-certificate`.
pub fn wechat_certificate(mchid: &AccountNo) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("wechat/{mchid}/merchant-certificate"))
}

/// Checks the channel's signatures: `wechat/{mchid}/platform/{serial or PUB_KEY_ID_…}` (channels.md 1.5).
pub fn wechat_platform(mchid: &AccountNo, serial: &str) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("wechat/{mchid}/platform/{}", word(serial)?))
}

/// Signs requests: `alipay/{app_id}/app`.
pub fn alipay_app(app_id: &AccountNo) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("alipay/{app_id}/app"))
}

/// Checks the signatures of a merchant's own SDK: `alipay/{app_id}/app-public`.
pub fn alipay_app_public(app_id: &AccountNo) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("alipay/{app_id}/app-public"))
}

/// Checks the channel's signatures: `alipay/{app_id}/platform`, in certificate mode
/// `alipay/{app_id}/platform/{alipay_cert_sn}` (channels.md 3.6).
pub fn alipay_platform(app_id: &AccountNo, cert_sn: Option<&str>) -> Result<KeyRef, NameError> {
    match cert_sn {
        None => KeyRef::new(format!("alipay/{app_id}/platform")),
        Some(sn) => KeyRef::new(format!("alipay/{app_id}/platform/{}", word(sn)?)),
    }
}

/// Signs requests: `unionpay/{merId}/merchant`, or the key of one certificate, `unionpay/{merId}/merchant/{certId}`.
pub fn unionpay_merchant(mer_id: &AccountNo, cert_id: Option<&str>) -> Result<KeyRef, NameError> {
    match cert_id {
        None => KeyRef::new(format!("unionpay/{mer_id}/merchant")),
        Some(id) => KeyRef::new(format!("unionpay/{mer_id}/merchant/{}", word(id)?)),
    }
}

/// Checks the signatures of a merchant's own SDK: `unionpay/{merId}/merchant-public/{certId}` (channels.md 4.2).
pub fn unionpay_merchant_public(mer_id: &AccountNo, cert_id: &str) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("unionpay/{mer_id}/merchant-public/{}", word(cert_id)?))
}

/// Vouches for requests, answers and notices under signMethod 11 and 12: `unionpay/{merId}/secure` (channels.md 4.2).
pub fn unionpay_secure(mer_id: &AccountNo) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("unionpay/{mer_id}/secure"))
}

/// What a message's own certificate stands for, `unionpay/{merId}/signer`: a name only, there is no such key.
pub fn unionpay_signer(mer_id: &AccountNo) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("unionpay/{mer_id}/signer"))
}

/// The secret of an app or official account, sent when a payer's id is asked for (channels.md 7):
/// `wechat/{mchid}/app-secret/{appid}`.
pub fn wechat_app_secret(mchid: &AccountNo, appid: &str) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("wechat/{mchid}/app-secret/{}", word(appid)?))
}

/// Vouches for messages in both directions, with the key behind the text: `baidu/{sp_no}/key/md5` or `…/sha1` (channels.md
/// section 5). One file, `baidu/{sp_no}/key.digest`, is both.
pub fn baidu(sp_no: &AccountNo, sha1: bool) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("baidu/{sp_no}/key/{}", if sha1 { "sha1" } else { "md5" }))
}

/// Checks CCB's signatures, and its end goes into the MAC of orders: `ccb/{POSID}/bank`, the counter's public key (channels.md
/// 6.3).
pub fn ccb_bank(pos_id: &AccountNo) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("ccb/{pos_id}/bank"))
}

/// The password that a query sends along: `ccb/{POSID}/query` (channels.md 6.3).
pub fn ccb_password(pos_id: &AccountNo) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("ccb/{pos_id}/query"))
}

/// Signs orders at ICBC: `icbc/{merID}/merchant` (channels.md 6.2).
pub fn icbc_merchant(mer_id: &AccountNo) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("icbc/{mer_id}/merchant"))
}

/// Checks ICBC's signatures: `icbc/{merID}/bank`.
pub fn icbc_bank(mer_id: &AccountNo) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("icbc/{mer_id}/bank"))
}

/// Vouches for requests to CMB: `cmb/{branchNo and merchantNo}/merchant` (channels.md 6.4).
pub fn cmb_merchant(number: &AccountNo) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("cmb/{number}/merchant"))
}

/// Checks CMB's signatures: `cmb/{branchNo and merchantNo}/bank`.
pub fn cmb_bank(number: &AccountNo) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("cmb/{number}/bank"))
}

/// Encrypts and decrypts content: `alipay/{app_id}/content` (channels.md 3.2).
pub fn alipay_content(app_id: &AccountNo) -> Result<KeyRef, NameError> {
    KeyRef::new(format!("alipay/{app_id}/content"))
}

/// A serial is one word, so that it cannot reach another key's name.
fn word(serial: &str) -> Result<&str, NameError> {
    let ok =
        (1..=64).contains(&serial.len()) && serial.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let wrong = NameError {
        what: "a key's serial",
        min: 1,
        max: 64,
        alphabet: "0-9 A-Z a-z _",
    };
    if ok { Ok(serial) } else { Err(wrong) }
}
