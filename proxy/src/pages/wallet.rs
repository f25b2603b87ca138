//! Which wallet shows the page, by its mark in the `User-Agent` (channels.md 7).

/// A wallet with a browser of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wallet {
    /// WeChat 微信.
    Wechat,
    /// Alipay 支付宝.
    Alipay,
    /// UnionPay 云闪付 and the apps of banks.
    Unionpay,
}

impl Wallet {
    /// The wallet of a `User-Agent`; `None` for a plain browser.
    pub(crate) fn of(agent: &str) -> Option<Wallet> {
        // Bank apps stand on all kinds of web views, so their mark goes first.
        if agent.contains("UnionPay/") {
            Some(Wallet::Unionpay)
        } else if agent.contains("AlipayClient") || agent.contains("AliApp(AP/") {
            Some(Wallet::Alipay)
        } else if agent.contains("MicroMessenger") {
            Some(Wallet::Wechat)
        } else {
            None
        }
    }

    /// The channel behind it, where that is built.
    pub(crate) fn channel(self) -> Option<domain::Channel> {
        match self {
            Wallet::Wechat => Some(domain::Channel::Wechat),
            Wallet::Alipay => Some(domain::Channel::Alipay),
            Wallet::Unionpay => Some(domain::Channel::Unionpay),
        }
    }

    /// Whether it tells a merchant who the payer is. UnionPay's app tells acquirers only (channels.md 7), so there the payer
    /// goes on to UnionPay's own page, which needs to be told nothing.
    pub(crate) fn tells_its_payer(self) -> bool {
        self != Wallet::Unionpay
    }
}

/// True for a browser on a phone.
pub(crate) fn is_phone(agent: &str) -> bool {
    ["Mobi", "Android", "iPhone", "iPad"]
        .iter()
        .any(|mark| agent.contains(mark))
}

/// What WeChat is told of the browser of an H5 order (channels.md 1.2).
pub(crate) fn h5_type(agent: &str) -> &'static str {
    match agent {
        _ if agent.contains("iPhone") || agent.contains("iPad") => "iOS",
        _ if agent.contains("Android") => "Android",
        _ => "Wap",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wallets_are_told_as_the_vectors_say() {
        let dir = std::env::var("GUANDAO_VECTORS")
            .unwrap_or_else(|_| format!("{}/../tests/vectors", env!("CARGO_MANIFEST_DIR")));
        let text = std::fs::read_to_string(format!("{dir}/qr_codes.json")).expect("vectors");
        let vectors: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let rows = vectors["user_agents"].as_array().expect("a table");
        assert!(rows.len() >= 4);
        for row in rows {
            let told = Wallet::of(row["user_agent"].as_str().expect("text"))
                .map(|wallet| format!("{wallet:?}").to_lowercase());
            assert_eq!(told.as_deref(), row["wallet"].as_str(), "{row}");
        }
    }

    #[test]
    fn a_bank_app_on_a_wallets_web_view_is_the_banks() {
        assert_eq!(
            Wallet::of("Mozilla/5.0 MicroMessenger/8 (UnionPay/1.0 CCBClient)"),
            Some(Wallet::Unionpay)
        );
        assert!(
            is_phone("Mozilla/5.0 (Linux; Android 13) Mobile Safari")
                && !is_phone("Mozilla/5.0 (X11; Linux x86_64) Chrome/120")
        );
    }
}
