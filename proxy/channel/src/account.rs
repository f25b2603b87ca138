//! Whose account at a channel, and when a message was made.

use domain::{AccountNo, BankFacts, Channel, Instant, OpenApi, PayeeNo, SignMethod};

/// An account at a channel, as the acquirer's registry has it. No keys: those are named by [`crate::keys`].
#[derive(Clone, Debug)]
pub struct Account {
    /// Channel.
    pub channel: Channel,
    /// WeChat `mchid` (a service provider's `sp_mchid`), Alipay `app_id`, UnionPay `merId`, Baidu `sp_no`, CCB `POSID`, ICBC `merID`, CMB
    /// `branchNo` and `merchantNo`.
    pub account: AccountNo,
    /// Who is paid: WeChat `mchid` or `sub_mchid`, Alipay `seller_id`, UnionPay `merId` itself, CCB `MERCHANTID`, ICBC `merAcct`. At WeChat another one than `account`
    /// means partner mode (channels.md 1.2).
    pub payee: PayeeNo,
    /// WeChat `appid` (`sp_appid`).
    pub appid: Option<String>,
    /// WeChat's partner mode: the sub-merchant's own app, where the order is of one.
    pub sub_appid: Option<String>,
    /// WeChat: serial of the merchant's certificate. Alipay: `app_cert_sn`, in certificate mode only. UnionPay: `certId`.
    pub serial: Option<String>,
    /// UnionPay: the key of that very certificate is held under its name, so that one certificate follows another without a gap.
    pub key_by_serial: bool,
    /// WeChat: `PUB_KEY_ID_…` in public-key mode. Alipay: SN of the channel's certificate in certificate
    /// mode, for messages that do not name it.
    pub platform: Option<String>,
    /// Alipay: `alipay_root_cert_sn`, in certificate mode only.
    pub root_sn: Option<String>,
    /// UnionPay: how messages are vouched for, in both directions (channels.md 4.2).
    pub sign_method: SignMethod,
    /// Baidu: messages are vouched for by SHA-1 and not by MD5 (channels.md section 5).
    pub sha1: bool,
    /// WeChat: payment codes go by APIv3 and not by V2 (channels.md 1.12).
    pub codepay: bool,
    /// Alipay: content is encrypted (`encrypt_type=AES`, channels.md 3.2).
    pub encrypts: bool,
    /// Alipay: the form of what we compose, `gateway.do` or OpenAPI v3 (channels.md 3.8).
    pub openapi: OpenApi,
    /// What a bank's own gateway needs beside (channels.md section 6).
    pub bank: Option<BankFacts>,
    /// Where the channel sends its notices.
    pub notify_url: String,
}

impl Account {
    /// True for WeChat's partner mode (服务商): the payee is somebody else's account under ours (channels.md
    /// 1.2).
    pub(crate) fn is_partner(&self) -> bool {
        self.payee.as_str() != self.account.as_str()
    }
}

/// When a message is made, and a nonce that is never used again. Both come from outside.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// When.
    pub at: Instant,
    /// When what it is about, an order or a refund, was put on record: at UnionPay part of its name (`txnTime`,
    /// channels.md 4.3), so the same in all messages about it.
    pub begun: Instant,
    /// WeChat `nonce_str`: 1 to 32 letters and digits.
    pub nonce: String,
}

impl Stamp {
    /// For a message about what was put on record then.
    pub fn about(&self, begun: Instant) -> Stamp {
        Stamp {
            begun,
            ..self.clone()
        }
    }
}
