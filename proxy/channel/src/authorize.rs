//! Who a payer is, by the wallet's own authorisation (channels.md 7): the payer's browser is sent to the wallet's page and
//! comes back with a code, which we exchange. Nothing here is asked of the payer: `snsapi_base`, `auth_base`.

use crate::{Account, ComposeError, Draft, Request, Stamp, alipay, keys, strict_json};
use domain::{Channel, KeyRef};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;
use vault::{Payer, PayerField, Text};
use zeroize::Zeroizing;

const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What the wallet said.
pub enum Whose {
    /// Who it is.
    Payer(Payer),
    /// The code does not count (used, expired, of another app) or the app may not ask: the wallet's own error code.
    Refused(Arc<str>),
    /// No answer that can be read.
    Unclear,
}

/// How the code is exchanged.
pub enum Exchange {
    /// A call like any other of this channel, to be signed.
    Signed(Draft),
    /// Sent as it is, at a host of its own; the answer is unsigned, TLS vouches for it.
    Plain(Request),
}

/// The name of the code in the address that the browser comes back to.
pub const fn code_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Wechat => "code",
        Channel::Alipay => "auth_code",
        // Not asked for: its payers stay unknown (channels.md 7).
        Channel::Unionpay => "userAuthCode",
        // Nothing of theirs tells a payer's id (channels.md section 5, 6.3).
        Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => "code",
    }
}

/// The address of the wallet's page that sends the payer's browser to `back`; `None` for an account without an app.
pub fn page(account: &Account, page: &str, back: &str, state: &str) -> Option<String> {
    let text = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
    let (back, state) = (text(back), text(state));
    match account.channel {
        Channel::Wechat => {
            let app = text(account.appid.as_deref()?);
            Some(format!(
                "{page}?appid={app}&redirect_uri={back}&response_type=code&scope=snsapi_base&state={state}#wechat_redirect"
            ))
        }
        Channel::Alipay => {
            let app = text(account.account.as_str());
            Some(format!(
                "{page}?app_id={app}&scope=auth_base&redirect_uri={back}&state={state}"
            ))
        }
        Channel::Unionpay | Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => None,
    }
}

/// The key that must be there for [`exchange`], where one is needed beside the account's own.
pub fn secret(account: &Account) -> Option<KeyRef> {
    match account.channel {
        Channel::Wechat => keys::wechat_app_secret(&account.account, account.appid.as_deref()?).ok(),
        Channel::Alipay
        | Channel::Unionpay
        | Channel::Baidu
        | Channel::Ccb
        | Channel::Icbc
        | Channel::Cmb => None,
    }
}

/// Asks whose code it is. `secret` is the app's own, where [`secret`] names one.
pub fn exchange(
    account: &Account,
    stamp: &Stamp,
    code: &Text,
    secret: Option<&Zeroizing<String>>,
) -> Result<Exchange, ComposeError> {
    match account.channel {
        Channel::Alipay => alipay::authorize::token(account, stamp, code).map(Exchange::Signed),
        Channel::Unionpay | Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => {
            Err(ComposeError::NotOffered)
        }
        Channel::Wechat => {
            let app = account.appid.as_deref().ok_or(ComposeError::Account("appid"))?;
            let secret = secret.ok_or(ComposeError::Account("app secret"))?;
            let text = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
            let target = format!(
                "/sns/oauth2/access_token?appid={}&secret={}&code={}&grant_type=authorization_code",
                text(app),
                text(secret),
                text(code.expose())
            );
            let headers = vec![
                ("Accept".into(), "application/json".into()),
                ("User-Agent".into(), "guandao/0.1".into()),
            ];
            Ok(Exchange::Plain(Request {
                method: "GET".into(),
                target,
                headers,
                identity: None,
                body: Zeroizing::default(),
            }))
        }
    }
}

/// Whether a refusal is of the app that asked, and of no payer's code: the app or its secret does not count, or it may not ask.
pub fn is_of_the_app(channel: Channel, code: &str) -> bool {
    match channel {
        Channel::Wechat => ["40001", "40013", "40125", "48001", "50001", "50002"].contains(&code),
        // OpenAPI v3 leaves out what stands before the gateway's words.
        Channel::Alipay => [
            "invalid-app-id",
            "insufficient-isv-permissions",
            "invalid-signature",
            "missing-signature-key",
        ]
        .contains(&code.strip_prefix("isv.").unwrap_or(code)),
        Channel::Unionpay | Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => false,
    }
}

/// What the answer says. Its signature, where it has one, was verified.
pub fn read(account: &Account, body: &[u8]) -> Whose {
    match account.channel {
        Channel::Alipay => alipay::authorize::read(account, body),
        Channel::Unionpay | Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => Whose::Unclear,
        Channel::Wechat => {
            let Ok(value) = strict_json::parse(body) else {
                return Whose::Unclear;
            };
            match (
                value.text("openid").filter(|id| !id.is_empty()),
                value.integer("errcode").filter(|code| *code > 0),
            ) {
                (Some(openid), None) => Whose::Payer(Payer {
                    field: PayerField::Openid,
                    value: openid.into(),
                }),
                (_, Some(code)) => Whose::Refused(Arc::from(code.to_string())),
                _ => Whose::Unclear,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Instant;

    fn account(channel: Channel) -> Account {
        Account {
            channel,
            account: "1900000109".parse().expect("lawful"),
            payee: "1900000109".parse().expect("lawful"),
            appid: Some("wx8888888888888888".into()),
            sub_appid: None,
            serial: None,
            platform: None,
            root_sn: None,
            encrypts: false,
            openapi: Default::default(),
            codepay: false,
            sign_method: Default::default(),
            sha1: false,
            key_by_serial: false,
            bank: None,
            notify_url: String::new(),
        }
    }

    fn said(channel: Channel, body: &str) -> String {
        match read(&account(channel), body.as_bytes()) {
            Whose::Payer(payer) => format!("{} {}", payer.field.as_str(), payer.value.expose()),
            Whose::Refused(code) => code.to_string(),
            Whose::Unclear => "unclear".into(),
        }
    }

    #[test]
    fn the_page_names_app_way_back_and_state_and_asks_for_no_more_than_the_id() {
        let at = |channel, base| {
            page(&account(channel), base, "https://q.example/q/a/back", "S1").expect("an app")
        };
        assert_eq!(
            at(
                Channel::Wechat,
                "https://open.weixin.qq.com/connect/oauth2/authorize"
            ),
            "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx8888888888888888&redirect_uri=https%3A%2F%2Fq.example%2Fq%2Fa%2Fback&response_type=code&scope=snsapi_base&state=S1#wechat_redirect"
        );
        assert_eq!(
            at(
                Channel::Alipay,
                "https://openauth.alipay.com/oauth2/publicAppAuthorize.htm"
            ),
            "https://openauth.alipay.com/oauth2/publicAppAuthorize.htm?app_id=1900000109&scope=auth_base&redirect_uri=https%3A%2F%2Fq.example%2Fq%2Fa%2Fback&state=S1"
        );
    }

    #[test]
    fn codes_are_exchanged_as_each_wallet_asks() {
        let stamp = Stamp {
            begun: Instant::default(),
            at: Instant::from_secs(1_767_225_600),
            nonce: "n".into(),
        };
        let code = Text::from("C/1");
        let Ok(Exchange::Plain(request)) = exchange(
            &account(Channel::Wechat),
            &stamp,
            &code,
            Some(&Zeroizing::new("s3".into())),
        ) else {
            panic!("plain")
        };
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            (
                "GET",
                "/sns/oauth2/access_token?appid=wx8888888888888888&secret=s3&code=C%2F1&grant_type=authorization_code"
            )
        );
        assert!(exchange(&account(Channel::Wechat), &stamp, &code, None).is_err());
        let Ok(Exchange::Signed(draft)) = exchange(&account(Channel::Alipay), &stamp, &code, None) else {
            panic!("signed")
        };
        let text = String::from_utf8(draft.message().to_vec()).expect("UTF-8");
        assert_eq!(
            text,
            "app_id=1900000109&charset=utf-8&code=C/1&format=JSON&grant_type=authorization_code&method=alipay.system.oauth.token&sign_type=RSA2&timestamp=2026-01-01 08:00:00&version=1.0"
        );
    }

    #[test]
    fn a_refusal_of_the_app_is_told_from_one_of_a_payers_code() {
        let of_app = |channel, code| is_of_the_app(channel, code);
        assert!(of_app(Channel::Wechat, "40125") && of_app(Channel::Alipay, "isv.invalid-app-id"));
        for (channel, code) in [
            (Channel::Wechat, "40029"),
            (Channel::Wechat, "40163"),
            (Channel::Wechat, "45011"),
            (Channel::Alipay, "isv.code-is-used"),
            (Channel::Unionpay, "40125"),
        ] {
            assert!(!of_app(channel, code), "{channel} {code}");
        }
    }

    #[test]
    fn answers_name_a_payer_or_the_wallets_own_error_or_nothing() {
        let (w, a) = (Channel::Wechat, Channel::Alipay);
        for (channel, body, wanted) in [
            (
                w,
                r#"{"access_token":"T","expires_in":7200,"openid":"oX1","scope":"snsapi_base"}"#,
                "openid oX1",
            ),
            (w, r#"{"errcode":40163,"errmsg":"code been used"}"#, "40163"),
            (w, r#"{"openid":""}"#, "unclear"),
            (w, "<html>", "unclear"),
            (
                a,
                r#"{"alipay_system_oauth_token_response":{"access_token":"T","user_id":"2088102146225135"},"sign":"x"}"#,
                "buyer_id 2088102146225135",
            ),
            (
                a,
                r#"{"alipay_system_oauth_token_response":{"access_token":"T","open_id":"074a1"},"sign":"x"}"#,
                "buyer_open_id 074a1",
            ),
            (
                a,
                r#"{"error_response":{"code":"40002","msg":"Invalid Arguments","sub_code":"isv.code-invalid","sub_msg":"授权码code无效"}}"#,
                "isv.code-invalid",
            ),
            (
                a,
                r#"{"error_response":{"user_id":"2088102146225135"}}"#,
                "unclear",
            ),
        ] {
            assert_eq!(said(channel, body), wanted, "{body}");
        }
    }
}
