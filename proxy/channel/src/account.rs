//! Whose account at a channel, and when a message was made.

use domain::{AccountNo, Channel, Instant, PayeeNo};

/// An account at a channel, as the acquirer's registry has it. No keys: those are named by [`crate::keys`].
#[derive(Clone, Debug)]
pub struct Account {
    /// Channel.
    pub channel: Channel,
    /// WeChat `mchid` (a service provider's `sp_mchid`), Alipay `app_id`.
    pub account: AccountNo,
    /// Who is paid: WeChat `mchid` or `sub_mchid`, Alipay `seller_id`. At WeChat another one than `account`
    /// means partner mode (channels.md 1.2).
    pub payee: PayeeNo,
    /// WeChat `appid` (`sp_appid`).
    pub appid: Option<String>,
    /// WeChat: serial of the merchant's certificate. Alipay: `app_cert_sn`, in certificate mode only.
    pub serial: Option<String>,
    /// WeChat: `PUB_KEY_ID_…` in public-key mode. Alipay: SN of the channel's certificate in certificate
    /// mode, for messages that do not name it.
    pub platform: Option<String>,
    /// Alipay: `alipay_root_cert_sn`, in certificate mode only.
    pub root_sn: Option<String>,
    /// Alipay: content is encrypted (`encrypt_type=AES`, channels.md 3.2).
    pub encrypts: bool,
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
    /// WeChat `nonce_str`: 1 to 32 letters and digits.
    pub nonce: String,
}
