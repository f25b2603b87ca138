//! Everything the sandbox knows: merchants, orders, faults, captured requests.

use super::bills::Bills;
use super::clock::Clock;
use super::fault::{Channel, Faults, Kind, Operation, Victim};
use super::gm;
use super::keys::{self, Signer, Verifier, validity};
use super::lines::Lines;
use super::notice::Notice;
use super::order::Order;
use super::poster::Poster;
use super::record::Requests;
use super::scan::Scans;
use super::server::Incoming;
use super::unionpay;
use super::wallet::Authorised;
use super::{Settings, StartError};
use crate::material::{self, SandboxMerchant};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// A merchant with its keys loaded.
pub(crate) struct Merchant {
    pub(crate) facts: SandboxMerchant,
    pub(crate) wechat_key: Verifier,
    /// The merchant's API certificate, DER: V2 must be shown it.
    pub(crate) wechat_cert: Vec<u8>,
    pub(crate) wechat_platform: Signer,
    pub(crate) wechat_public: Signer,
    /// Both sides' SM2 keys.
    pub(crate) wechat_sm2_key: gm::Verifier,
    pub(crate) wechat_sm2: gm::Signer,
    pub(crate) platform_cert_pem: String,
    /// From platform certificates to the public key.
    pub(crate) change: super::wechat::stage::Change,
    /// From when to when the platform certificate is valid, RFC 3339.
    pub(crate) platform_validity: (String, String),
    pub(crate) app_key: Verifier,
    pub(crate) alipay: Signer,
    pub(crate) app_cert_sn: String,
    pub(crate) alipay_cert_sn: String,
    pub(crate) alipay_cert_pem: String,
    pub(crate) root_cert_sn: String,
    pub(crate) unionpay_key: Verifier,
    /// The merchant's certificate at UnionPay, by its decimal serial.
    pub(crate) unionpay_cert_id: String,
    /// The counter's key at CCB.
    pub(crate) ccb: super::ccb::rsa::Private,
    /// The merchant's certificate at ICBC, and the bank's own key.
    pub(crate) icbc_key: keys::Sha1Verifier,
    pub(crate) icbc_bank: super::ccb::rsa::Private,
    /// CMB's own key.
    pub(crate) cmb_bank: super::ccb::rsa::Private,
}

/// Which order: channel, merchant's index, the merchant's number.
pub(crate) type Key = (Channel, usize, String);

/// What changes.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) orders: HashMap<Key, Order>,
    /// Channel number to order.
    pub(crate) numbers: HashMap<(Channel, String), Key>,
    /// Refund number to order; WeChat's refund query names the refund alone.
    pub(crate) refunds: HashMap<(Channel, usize, String), Key>,
    /// Code or prepay id to order.
    pub(crate) codes: HashMap<String, Key>,
    /// Payment codes that payers were told about or that were scanned.
    pub(crate) scans: Scans,
    /// Codes of authorisation that wallets gave to shops' pages.
    pub(crate) authorised: Authorised,
    pub(crate) faults: Faults,
    pub(crate) requests: Requests,
    /// Payment notices that wait for a refund notice to overtake them.
    pub(crate) held: HashMap<Key, Vec<Notice>>,
    /// WeChat's combined orders: merchant's index and the group's number, and its orders as they were listed.
    pub(crate) groups: HashMap<(usize, String), Vec<Key>>,
    /// WeChat's refunds that the payer's account cannot take, by the channel's own number.
    pub(crate) abnormal: std::collections::HashSet<String>,
    /// What came of scans of product codes (WeChat's native mode one).
    pub(crate) product_scans: Vec<(usize, serde_json::Value)>,
    /// Where banks send their notices, as their merchants told them.
    pub(crate) registered: HashMap<(Channel, usize), String>,
    /// What was planted in bills, and files to be fetched.
    pub(crate) bills: Bills,
}

impl Book {
    /// The order, closed first if its time is up.
    pub(crate) fn order(&mut self, key: &Key) -> Option<&mut Order> {
        let order = self.orders.get_mut(key)?;
        order.age(super::clock::now());
        Some(order)
    }

    /// The order with this channel number.
    pub(crate) fn by_number(&self, channel: Channel, number: &str) -> Option<Key> {
        self.numbers.get(&(channel, number.to_owned())).cloned()
    }
}

/// The sandbox's whole state.
pub(crate) struct World {
    pub(crate) merchants: Vec<Merchant>,
    pub(crate) clock: Clock,
    pub(crate) poster: Poster,
    pub(crate) refund_delay: Duration,
    pub(crate) slow: Duration,
    /// Milliseconds after its charge in which WeChat's V2 takes no reverse.
    pub(crate) reverse_after: AtomicU32,
    pub(crate) stopped: watch::Receiver<bool>,
    /// Keeps handlers to a few threads: signing on more than there are cores only costs time.
    pub(crate) threads: Semaphore,
    /// Which merchants are the starter's own.
    pub(crate) own: Range<usize>,
    /// Lines that can be lost on command.
    pub(crate) lines: Arc<Lines>,
    /// What UnionPay signs with.
    pub(crate) unionpay: unionpay::Own,
    /// Payments and refunds are dated so many days earlier, so that bills of past days have lines.
    days_ago: AtomicU32,
    book: Mutex<Book>,
    by_mchid: HashMap<String, usize>,
    by_app: HashMap<String, usize>,
    by_mer_id: HashMap<String, usize>,
    by_sp_no: HashMap<String, usize>,
    by_pos_id: HashMap<String, usize>,
    by_icbc: HashMap<String, usize>,
    by_cmb: HashMap<String, usize>,
}

impl World {
    pub(crate) fn new(settings: Settings, stopped: watch::Receiver<bool>) -> Result<World, StartError> {
        let merchants = settings
            .merchants
            .into_iter()
            .map(|facts| load(&settings.dir, facts))
            .collect::<Result<Vec<_>, _>>()?;
        let index = |name: fn(&Merchant) -> &String| {
            merchants
                .iter()
                .enumerate()
                .map(|(n, m)| (name(m).clone(), n))
                .collect::<HashMap<_, _>>()
        };
        let by_mchid = index(|m| &m.facts.wechat.mchid);
        let by_app = index(|m| &m.facts.alipay.app_id);
        let by_mer_id = index(|m| &m.facts.unionpay.mer_id);
        let by_sp_no = index(|m| &m.facts.baidu.sp_no);
        let by_pos_id = index(|m| &m.facts.ccb.pos_id);
        let by_icbc = index(|m| &m.facts.icbc.mer_id);
        let by_cmb = index(|m| &m.facts.cmb.number);
        let signer = Signer::read(&settings.dir.join("unionpay/sign_key.pem"))?;
        let own = settings.dir.join("unionpay/sign.cer");
        // What an older sandbox made has one only.
        let other = Some(settings.dir.join(material::unionpay::SIGN_SHA256)).filter(|path| path.exists());
        let cert_pems = [
            material::read(&own)?,
            material::read(other.as_ref().unwrap_or(&own))?,
        ];
        let own = unionpay::Own::new(signer, cert_pems);
        let ca = material::Ca::read(&settings.dir)?;
        Ok(World {
            by_mchid,
            by_app,
            by_mer_id,
            by_sp_no,
            by_pos_id,
            by_icbc,
            by_cmb,
            unionpay: own,
            own: settings.own,
            lines: Arc::default(),
            merchants,
            clock: Clock::new(settings.speed),
            poster: Poster::new(ca.cert_pem(), settings.notify_to)?,
            refund_delay: settings.refund_delay,
            slow: settings.slow,
            reverse_after: AtomicU32::new(
                u32::try_from(settings.reverse_after.as_millis()).unwrap_or(u32::MAX),
            ),
            stopped,
            threads: Semaphore::new(2 * std::thread::available_parallelism().map_or(2, usize::from)),
            days_ago: AtomicU32::new(0),
            book: Mutex::new(Book::default()),
        })
    }

    /// When a payment or refund happens that happens now.
    pub(crate) fn dated(&self) -> domain::Instant {
        super::clock::now().plus_millis(-86_400_000 * i64::from(self.days_ago.load(Ordering::Relaxed)))
    }

    /// From now on they are dated so many days earlier.
    pub(crate) fn date_back(&self, days: u32) {
        self.days_ago.store(days, Ordering::Relaxed);
    }

    /// Runs with the book open. Never sign or wait inside.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Book) -> T) -> T {
        work(&mut self.book.lock())
    }

    pub(crate) fn merchant_by_mchid(&self, mchid: &str) -> Option<(usize, &Merchant)> {
        let n = *self.by_mchid.get(mchid)?;
        Some((n, self.merchants.get(n)?))
    }

    pub(crate) fn merchant_by_app(&self, app_id: &str) -> Option<(usize, &Merchant)> {
        let n = *self.by_app.get(app_id)?;
        Some((n, self.merchants.get(n)?))
    }

    pub(crate) fn merchant_by_sp_no(&self, sp_no: &str) -> Option<(usize, &Merchant)> {
        let n = *self.by_sp_no.get(sp_no)?;
        Some((n, self.merchants.get(n)?))
    }

    pub(crate) fn merchant_by_icbc(&self, mer_id: &str) -> Option<(usize, &Merchant)> {
        let n = *self.by_icbc.get(mer_id)?;
        Some((n, self.merchants.get(n)?))
    }

    pub(crate) fn merchant_by_cmb(&self, number: &str) -> Option<(usize, &Merchant)> {
        let n = *self.by_cmb.get(number)?;
        Some((n, self.merchants.get(n)?))
    }

    pub(crate) fn merchant_by_pos_id(&self, pos_id: &str) -> Option<(usize, &Merchant)> {
        let n = *self.by_pos_id.get(pos_id)?;
        Some((n, self.merchants.get(n)?))
    }

    pub(crate) fn merchant_by_mer_id(&self, mer_id: &str) -> Option<(usize, &Merchant)> {
        let n = *self.by_mer_id.get(mer_id)?;
        Some((n, self.merchants.get(n)?))
    }

    /// Captures the request and takes the fault that waits for it. Who sent it is what it says of itself; its signature
    /// is looked at later.
    pub(crate) fn arrive(
        &self,
        channel: Channel,
        operation: Operation,
        sender: Option<usize>,
        out_trade_no: Option<&str>,
        request: &Incoming,
    ) -> Option<Kind> {
        let spared = sender.is_some_and(|number| self.own.contains(&number));
        let victim = Victim {
            channel,
            operation,
            out_trade_no,
            spared,
        };
        self.with(|book| {
            if !spared {
                book.requests.add(channel, operation, request);
            }
            book.faults.take(&victim)
        })
    }

    /// Runs something beside the answer until the sandbox stops.
    pub(crate) fn beside(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        let mut stopped = self.stopped.clone();
        tokio::spawn(async move {
            tokio::select! { () = work => {}, _ = stopped.changed() => {} }
        });
    }
}

fn load(dir: &std::path::Path, facts: SandboxMerchant) -> Result<Merchant, StartError> {
    let text = |file: &str| material::read(&dir.join(file));
    Ok(Merchant {
        wechat_cert: keys::certificate(&dir.join(&facts.wechat.cert_file))?,
        wechat_key: Verifier::read_certificate(&dir.join(&facts.wechat.cert_file))?,
        wechat_platform: Signer::read(&dir.join(&facts.channel_keys.wechat_platform))?,
        wechat_public: Signer::read(&dir.join(&facts.channel_keys.wechat_public_key))?,
        wechat_sm2_key: gm::Verifier::read(&dir.join(&facts.wechat.sm2_public_file))?,
        wechat_sm2: gm::Signer::read(&dir.join(&facts.channel_keys.wechat_sm2))?,
        platform_validity: validity(&dir.join(&facts.wechat.platform_cert_file))?,
        change: super::wechat::stage::Change::default(),
        platform_cert_pem: text(&facts.wechat.platform_cert_file)?,
        app_key: Verifier::read_certificate(&dir.join(&facts.alipay.app_cert_file))?,
        alipay: Signer::read(&dir.join(&facts.channel_keys.alipay))?,
        app_cert_sn: material::cert_sn(&text(&facts.alipay.app_cert_file)?)
            .map_err(material::MaterialError::from)?,
        alipay_cert_sn: material::cert_sn(&text(&facts.alipay.alipay_cert_file)?)
            .map_err(material::MaterialError::from)?,
        alipay_cert_pem: text(&facts.alipay.alipay_cert_file)?,
        root_cert_sn: material::root_cert_sn(&text(&facts.alipay.root_cert_file)?)
            .map_err(material::MaterialError::from)?,
        unionpay_key: Verifier::read_certificate(&dir.join(&facts.unionpay.cert_file))?,
        unionpay_cert_id: material::decimal_serial(&text(&facts.unionpay.cert_file)?)
            .map_err(material::MaterialError::from)?,
        ccb: super::ccb::rsa::Private::read(&dir.join(&facts.channel_keys.ccb))?,
        icbc_key: keys::Sha1Verifier::read_certificate(&dir.join(&facts.icbc.cert_file))?,
        icbc_bank: super::ccb::rsa::Private::read(&dir.join(&facts.channel_keys.icbc))?,
        cmb_bank: super::ccb::rsa::Private::read(&dir.join(&facts.channel_keys.cmb))?,
        facts,
    })
}
