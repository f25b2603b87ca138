//! The three kinds of file as their senders write them. Unknown fields are refused: a misspelt limit must not
//! silently be no limit.

use domain::{
    AccountNo, AcquirerNo, AgentId, Amount, BankFacts, Channel, Digest, Instant, Keys, MerchantId, OpenApi,
    PayWay, PayeeNo, Registry, Shop, SignMethod, TerminalNo,
};
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, sync::Arc};

/// Channels, institutions, hosts, CA roots and the filing number (R03, R06, R25).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenceFile {
    /// Always `licence`.
    pub kind: Registry,
    /// Only rises.
    pub version: u64,
    /// Milliseconds since 1970. From then on the file carries no new order.
    pub not_after: Instant,
    /// The operator's filing number at PCAC (R25).
    pub filing_no: String,
    /// The operator's own accounts at any channel, never a payee (R03). Must be stated, even if empty.
    pub operator_accounts: Vec<PayeeNo>,
    /// Licensed channels.
    pub channels: Vec<ChannelLicence>,
    /// Guide prices (指导价格): the band within which merchants' and agents' rates lie.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guide_prices: Vec<GuidePrice>,
}

/// The guide price of a wallet, or of one way to pay in it. Rates are hundred-thousandths of the amount: 380 is 0.38 %.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuidePrice {
    /// Wallet.
    pub channel: Channel,
    /// Way to pay; every one that has no row of its own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay_way: Option<PayWay>,
    /// Lowest rate.
    pub least: u32,
    /// Highest rate.
    pub most: u32,
}

/// A rate: hundred-thousandths of the amount.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayRate {
    /// Way to pay; every one that has no row of its own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay_way: Option<PayWay>,
    /// 380 is 0.38 %.
    pub rate: u32,
}

/// One licensed channel.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelLicence {
    /// Which.
    pub channel: Channel,
    /// The licensed institution's name.
    pub institution: String,
    /// Number of its payment business licence.
    pub licence_no: String,
    /// Milliseconds since 1970. From then on no new order goes there.
    pub valid_until: Instant,
    /// Where it may be reached; nothing else is (R06).
    pub hosts: Vec<Host>,
    /// CA roots for its TLS certificates, PEM.
    pub roots_pem: String,
    /// Where its wallet tells who a payer is; absent where payers' pages may not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Authorization>,
    /// Roots of the certificates with which it signs its messages, PEM (Alipay's certificate mode; UnionPay, there with the
    /// middle certificates).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signing_roots_pem: String,
    /// UnionPay: who signs, as the certificates' common names say it; UnionPay itself where nobody is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signing_names: Vec<String>,
}

/// A wallet's own authorisation of a payer towards a page (channels.md 7).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorization {
    /// Where the payer's browser is sent: an https address without a query.
    pub page: String,
    /// Where we ask whose code it is; absent where that is the channel's own host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Host>,
}

/// One host of a channel.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Name, as it stands in the certificate.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// A fixed address instead of a look-up (dedicated lines, the sandbox).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
}

/// Merchants as their licensed acquirer approved them (R01, R05).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcquirerFile {
    /// Always `acquirer`.
    pub kind: Registry,
    /// Only rises.
    pub version: u64,
    /// Milliseconds since 1970. From then on the file carries no new order.
    pub not_after: Instant,
    /// The acquirer's institution code.
    pub acquirer: AcquirerNo,
    /// Its name.
    pub name: String,
    /// Its merchants.
    pub merchants: Vec<AcquirerMerchant>,
}

/// One merchant.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcquirerMerchant {
    /// Its number with us.
    pub id: MerchantId,
    /// Registered name (R07).
    pub name: String,
    /// Its agreement with the acquirer (R04).
    pub agreement: Agreement,
    /// Its accounts at channels.
    pub accounts: Vec<AccountFacts>,
    /// Its unified social credit code 统一社会信用代码 (R22).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uscc: Option<String>,
    /// SHA-256 of the number of its settlement account, 64 lower-case hex digits; the number itself stays with the acquirer (R22).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settlement: Option<Digest>,
    /// Its terminals (R22).
    #[serde(default)]
    pub terminals: Vec<Terminal>,
    /// Its payers pay by codes of level A: their institutions have agreed with them on limits of their own and verify them by
    /// digital certificates or electronic signatures (R18).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub level_a: bool,
}

/// An acceptance agreement.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Its number at the acquirer.
    pub no: String,
    /// Milliseconds since 1970. From then on no new order (R04).
    pub until: Instant,
}

/// A terminal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminal {
    /// Serial number; one terminal's, of one merchant (R22).
    pub no: TerminalNo,
    /// Registered area code, six digits (R23).
    pub area: String,
    /// The shop it stands in. WeChat is told the area with the shop and not without (`scene_info.store_info`, channels.md 1.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<Shop>,
    /// Its number at UnionPay (`termId`): eight letters and digits that the acquirer gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term_id: Option<Arc<str>>,
}

/// One account of a merchant at a channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountFacts {
    /// Channel.
    pub channel: Channel,
    /// WeChat `mchid`, Alipay `app_id`, UnionPay `merId`, Baidu `sp_no`, CCB `POSID`, ICBC `merID`, CMB `branchNo` and `merchantNo`.
    pub account: AccountNo,
    /// Who is paid: WeChat `mchid` or `sub_mchid`, Alipay `seller_id`, UnionPay `merId` again, Baidu `sp_no` again,
    /// CCB `MERCHANTID`, ICBC `merAcct`, CMB the account again.
    pub payee: PayeeNo,
    /// Who holds the key.
    pub keys: Keys,
    /// Which of the channel's licensed hosts it is reached at; the first one where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What the merchant pays for orders through this account, by its agreement with the acquirer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<PayRate>,
    /// WeChat appids that may be used, the first by default; empty for Alipay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub appids: Vec<String>,
    /// Partner mode: the `sub_mchid`s in this key's own list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sub_payees: Vec<PayeeNo>,
    /// Partner mode: apps and mini programs of sub-merchants (WeChat's `sub_appid`). One counts only with the sub-merchant
    /// that it stands with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sub_apps: Vec<SubApps>,
    /// Alipay: the authorisations by which this app may act for another merchant in pass-through. A request whose
    /// `app_auth_token` is not listed is refused (R03).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub auth_tokens: Vec<AuthToken>,
    /// Serial of the WeChat merchant certificate; Alipay `app_cert_sn` in certificate mode; UnionPay `certId`, decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// WeChat: `PUB_KEY_ID_…` or platform certificate serial; Alipay certificate mode: `alipay_cert_sn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Alipay `alipay_root_cert_sn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_sn: Option<String>,
    /// UnionPay `signMethod`: "01" with the merchant's certificate, "11" (SHA-256) and "12" (SM3) with a shared secret.
    /// WeChat: "sm2" where 国密 is enabled for the merchant, SM2 keys on both sides and SM4 over what is sealed.
    #[serde(default, skip_serializing_if = "SignMethod::is_signature")]
    pub sign_method: SignMethod,
    /// Baidu: messages are vouched for by SHA-1 (`sign_method` 2) and not by MD5.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sha1: bool,
    /// WeChat: payment codes go by APIv3 (`codepay`) and not by V2; sources differ on who has it (channels.md 1.12).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub codepay: bool,
    /// Alipay: content is encrypted (`encrypt_type=AES`) in what we compose.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub encrypts: bool,
    /// Alipay: "v3" where what we compose goes to OpenAPI v3 and not to `gateway.do` (channels.md 3.8).
    #[serde(default, skip_serializing_if = "OpenApi::is_gateway")]
    pub openapi: OpenApi,
    /// A bank's own gateway: what it needs beside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank: Option<BankFacts>,
}

/// A sub-merchant's own apps and mini programs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubApps {
    /// Whose: one of the account's `sub_payees`.
    pub payee: PayeeNo,
    /// The appids that are bound to it.
    pub appids: Vec<String>,
}

/// Alipay's authorisation of an app by another merchant (`app_auth_token`), and who that merchant is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthToken {
    /// SHA-256 over the token's octets, 64 lower-case hex digits; the token itself stays with the merchant.
    pub sha256: Digest,
    /// Who is paid under it: that merchant's `seller_id`.
    pub payee: PayeeNo,
}

/// What the operator adds: keys, notify hosts, limits.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorFile {
    /// Always `operator`.
    pub kind: Registry,
    /// Only rises.
    pub version: u64,
    /// Milliseconds since 1970. From then on the file carries no new order.
    pub not_after: Instant,
    /// Agents 代理商 who brought merchants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Agent>,
    /// Per merchant.
    pub merchants: Vec<OperatorMerchant>,
    /// Per channel account.
    #[serde(default)]
    pub accounts: Vec<OperatorAccount>,
}

/// The operator's facts of one merchant.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorMerchant {
    /// Which; an acquirer's file must know it.
    pub id: MerchantId,
    /// Keys of the unified API.
    #[serde(default)]
    pub api_keys: Vec<ApiKey>,
    /// Where it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
    /// Hosts to which a channel may send a payer's browser back (`return_url`, `quit_url`); a port does not matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub return_hosts: Vec<String>,
    /// Who brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentTerms>,
    /// Which of its accounts new orders go to; the first rule that holds decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteRule>,
    /// Its own request rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<RateFacts>,
    /// Most per order, fen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_max: Option<Amount>,
    /// Most per natural day, fen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_max: Option<Amount>,
}

/// An agent of the operator. It is in reports only: nothing is ever paid to it from here (R01).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// Its number with us.
    pub id: AgentId,
    /// Its name.
    pub name: String,
}

/// On what terms an agent brought a merchant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentTerms {
    /// Which agent.
    pub agent: AgentId,
    /// Its rates; what the merchant pays above them is its commission (分润), which somebody else settles.
    pub rates: Vec<AgentRate>,
}

/// An agent's rate in a wallet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentRate {
    /// Wallet.
    pub channel: Channel,
    /// Way to pay; every one that has no row of its own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay_way: Option<PayWay>,
    /// Hundred-thousandths of the amount.
    pub rate: u32,
}

impl AgentTerms {
    /// The rate of a way to pay in a wallet.
    pub fn rate(&self, channel: Channel, pay_way: PayWay) -> Option<u32> {
        let of = |way: Option<PayWay>| {
            self.rates
                .iter()
                .find(|r| r.channel == channel && r.pay_way == way)
                .map(|r| r.rate)
        };
        of(Some(pay_way)).or_else(|| of(None))
    }
}

/// A routing rule as the operator writes it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteRule {
    /// Its name, unique per merchant; it stands in the journal beside each order that it decided.
    pub name: String,
    /// The wallet it is about.
    pub channel: Channel,
    /// A CEL expression over amount (fen), pay_way, hour, minute, weekday (1 is Monday), day, month (all in UTC+8), terminal,
    /// area, product and code.
    pub when: String,
    /// The merchant's accounts that are equals: health decides among them, then the rate.
    pub accounts: Vec<AccountNo>,
    /// Accounts that are taken only where none of those is in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub standby: Vec<AccountNo>,
}

/// A key that signs requests to the unified API.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Its number, unique per merchant.
    pub serial: String,
    /// `GUANDAO-ED25519` or `GUANDAO-SHA256-RSA2048`.
    pub scheme: String,
    /// SPKI, PEM.
    pub public_key: String,
    /// Milliseconds since 1970; from then on it signs nothing.
    pub not_after: Instant,
    /// The key of one terminal: it places, asks for and reverses that terminal's own orders and does nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<TerminalNo>,
}

impl ApiKey {
    /// The signature schemes built so far.
    pub const SCHEMES: [&'static str; 2] = ["GUANDAO-ED25519", "GUANDAO-SHA256-RSA2048"];
}

/// Where a merchant is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// `https` address.
    pub url: String,
    /// True if its host may have a private address.
    #[serde(default)]
    pub private: bool,
}

/// A merchant's request rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateFacts {
    /// Requests a second.
    pub per_second: u32,
    /// Requests at once.
    pub burst: u32,
}

/// The operator's facts of one channel account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorAccount {
    /// Channel.
    pub channel: Channel,
    /// Account; an acquirer's file must know it.
    pub account: AccountNo,
    /// True where, without a rule that says otherwise, it is taken only if none of the merchant's other accounts of this wallet
    /// is in order.
    #[serde(default, skip_serializing_if = "is_false")]
    pub standby: bool,
    /// Keys of the merchant's official SDK; they check its signature in pass-through.
    #[serde(default)]
    pub merchant_keys: Vec<MerchantKey>,
    /// Where notices of pass-through orders are relayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay_url: Option<String>,
    /// True if that host may have a private address.
    #[serde(default)]
    pub relay_private: bool,
}

/// A key of the merchant's official SDK.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MerchantKey {
    /// WeChat: certificate serial; Alipay: free, or `app_cert_sn`.
    pub serial: String,
    /// SPKI, PEM.
    pub public_key: String,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl AccountFacts {
    /// What the merchant pays for an order of this way to pay through this account, in hundred-thousandths.
    pub fn rate(&self, pay_way: PayWay) -> Option<u32> {
        let of = |way: Option<PayWay>| self.rates.iter().find(|r| r.pay_way == way).map(|r| r.rate);
        of(Some(pay_way)).or_else(|| of(None))
    }
}

impl LicenceFile {
    /// The band of a way to pay in a wallet; `None` where no guide price is known.
    pub fn guide_price(&self, channel: Channel, pay_way: Option<PayWay>) -> Option<&GuidePrice> {
        let of = |way: Option<PayWay>| {
            self.guide_prices
                .iter()
                .find(|g| g.channel == channel && g.pay_way == way)
        };
        of(pay_way).or_else(|| of(None))
    }
}
