//! Native mode one 模式一 (channels.md 2.4): a product's standing code. WeChat calls us when somebody scans it; we verify,
//! open the payer's order, which goes down the merchant's own road, and answer with the prepay id.

use crate::{
    accept::Received,
    app::App,
    fault::{Code, Fault, Stop},
    pages::Orders,
    payment::{Cargo, Clear, Command, Create, Parsed},
    stage::{End, Response},
};
use bytes::Bytes;
use channel::{
    Account, Stamp,
    wechat_v2::product_code::{ProductCode, ScanAnswer, Scanned},
};
use domain::*;
use http::{HeaderValue, Method, header};
use http_body_util::Full;
use ledger::{OrderState, PayCode, payment_id};
use policy::registry::MerchantFacts;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tower::ServiceExt;
use vault::{Buyer, Payer, Text};

/// An order by a product's code waits so long for its payer.
const AT_THE_COUNTER_MS: i64 = 15 * 60_000;
/// An open order with less than this to live is not shown to its payer again.
const LEAST_MS: i64 = 60_000;
/// So many orders one payer may begin by one code on one day.
const MOST: u32 = 50;
/// What the payer reads in the wallet.
const ENDED: &str = "此商品码已失效 This code has ended";
const TROUBLE: &str = "暂时无法付款，请稍后重试 Not possible now, please scan again";
const REFUSED: &str = "无法付款，请联系商家 Please ask the merchant";

/// Where WeChat asks: `/n/wechat/{mchid}/scan`.
pub fn is_path(path: &str) -> bool {
    path.starts_with("/n/") && path.ends_with("/scan")
}

/// The text of a product's code at this account. The same code has the same text always, so that it can be printed again;
/// `None` where the account lacks what the answer to a scan needs.
pub(crate) fn text(app: &App, merchant: &MerchantFacts, code: &PayCode) -> Option<String> {
    let facts = merchant
        .accounts
        .iter()
        .find(|a| a.channel == Channel::Wechat && a.keys == Keys::Held)?;
    code.facts.amount?;
    is_for(&facts.payee, code).then_some(())?;
    let account = app.account(facts, None, None);
    let stamp = Stamp {
        at: code.made,
        begun: code.made,
        nonce: code.id.to_string(),
    };
    let draft = ProductCode::compose(&account, &stamp, code.id.as_str()).ok()?;
    let signature = app.keys().sign(draft.key(), &draft.message()).ok()?;
    Some(draft.sign_with(&signature))
}

/// A product's order is the account's own: in a sub-merchant's name there is none.
fn is_for(own: &PayeeNo, code: &PayCode) -> bool {
    code.facts.payee.as_ref().is_none_or(|payee| payee == own)
}

/// Answers WeChat's calls.
pub struct Scans {
    app: App,
    orders: Orders,
}

impl Scans {
    /// Orders go down this road.
    pub fn new(app: &App, orders: Orders) -> Scans {
        Scans {
            app: app.clone(),
            orders,
        }
    }
}

/// Who scanned what.
struct Asked {
    merchant: Arc<MerchantFacts>,
    account: Arc<Account>,
    product: String,
    payer: Payer,
}

impl End<Received> for Scans {
    type Out = Response;

    async fn run(&self, received: Received) -> Result<Response, Stop> {
        let asked = self.verified(&received)?;
        let account = asked.account.clone();
        let prepay = self.prepaid(asked).await;
        // What became of it is on record; the payer reads why there is none, WeChat needs no more.
        let prepay = prepay.as_ref().map(|id| &**id).map_err(|why| *why);
        self.answer(&account, prepay)
    }
}

impl Scans {
    /// The path names an account of a merchant, and the call carries that account's digest.
    //= C77
    fn verified(&self, received: &Received) -> Result<Asked, Stop> {
        received.lawful()?;
        if received.head.method != Method::POST || received.head.uri.query().is_some() {
            return Err(Fault::new(Code::MethodNotAllowed, "Scans come by POST without a query.").into());
        }
        let not_found = || Fault::of(Code::NotFound);
        let parts: Vec<&str> = received.head.uri.path().split('/').collect();
        let ["", "n", "wechat", account, "scan"] = parts[..] else {
            return Err(not_found().into());
        };
        let account = AccountNo::new(account).map_err(|_| not_found())?;
        let registries = self.app.registries();
        let (merchant, facts) = registries
            .owner(Channel::Wechat, &account)
            .filter(|(_, facts)| facts.keys == Keys::Held)
            .ok_or_else(not_found)?;
        let account = self.app.account(facts, None, None);
        let refuse = |why: &dyn std::fmt::Display| {
            self.app.metrics().noticed(Channel::Wechat, "refused");
            Stop::from(Fault::of(Code::WrongSignature).inside(why))
        };
        let scanned = Scanned::read(&account, &received.body).map_err(|e| refuse(&e.kind()))?;
        let (key, message, signature) = scanned.proof();
        self.app
            .keys()
            .verify(key, message, signature)
            .map_err(|_| refuse(&"the signature does not match"))?;
        Ok(Asked {
            merchant: merchant.clone(),
            account,
            product: scanned.product,
            payer: scanned.payer,
        })
    }

    /// The prepay id of the payer's open order by this code, or why there is none.
    async fn prepaid(&self, asked: Asked) -> Result<Arc<str>, &'static str> {
        let now = self.app.clock().now();
        let id = CodeId::new(asked.product.as_str()).map_err(|_| ENDED)?;
        let code = self.app.ledger().code(&id).await;
        let code = code.filter(|code| code.merchant == asked.merchant.id && code.is_open(now));
        let code = code.filter(|code| is_for(&asked.account.payee, code));
        let code = code.ok_or(ENDED)?;
        let amount = code.facts.amount.ok_or(ENDED)?;
        self.app
            .payers_rate(&asked.merchant, &code.id)
            .map_err(|_| TROUBLE)?;
        let order_no = self.order_no(&asked, &code, now).await?;
        let id = payment_id(&asked.merchant.id, &order_no);
        let parsed = parsed(asked, &code, order_no, amount, now);
        match self.orders.clone().oneshot(parsed).await {
            Ok(_) | Err(Stop::Answer(_)) => {}
            Err(Stop::Fault(fault)) => {
                tracing::info!(
                    code = fault.code.row().code,
                    "an order by a product's code was not taken"
                );
                return Err(if fault.code.row().status < 500 {
                    REFUSED
                } else {
                    TROUBLE
                });
            }
        }
        let order = self.app.order(&id).await.map_err(|_| TROUBLE)?.ok_or(REFUSED)?;
        let latest = order.latest();
        match (&latest.reach, latest.state) {
            (Some((Reach::Prepay(prepay), _)), AttemptState::Placed) => Ok(prepay.clone()),
            _ => Err(TROUBLE),
        }
    }

    /// The same payer at the same code gets the order that is open, and after it the next: a number is made of code, payer,
    /// day and count, so a repeat finds it whatever became of us in between. A code for one order has that order's number.
    async fn order_no(&self, asked: &Asked, code: &PayCode, now: Instant) -> Result<OrderNo, &'static str> {
        if let Some(order_no) = &code.facts.order_no {
            return Ok(order_no.clone());
        }
        let token = self
            .app
            .vault()
            .token(Channel::Wechat, &asked.payer)
            .ok_or(TROUBLE)?;
        for count in 0..MOST {
            let mut hash = Sha256::new();
            hash.update(b"guandao-scan\0");
            hash.update(code.id.as_str());
            hash.update(token.token.as_bytes());
            hash.update(format!("\0{}\0{count}", now.day()));
            let digest = hex::encode_upper(hash.finalize());
            let order_no =
                OrderNo::new(format!("P{}", digest.get(..27).unwrap_or_default())).map_err(|_| TROUBLE)?;
            let order = self.app.order(&payment_id(&asked.merchant.id, &order_no)).await;
            let Some(order) = order.map_err(|_| TROUBLE)? else {
                return Ok(order_no);
            };
            let lives = order.latest().expires > now.plus_millis(LEAST_MS);
            match order.state() {
                OrderState::NotPlaced => return Ok(order_no),
                OrderState::AwaitingPayment | OrderState::Unknown if lives => return Ok(order_no),
                _ => {}
            }
        }
        Err(REFUSED)
    }

    /// Signed with MD5, since the exchange has no word for another digest.
    fn answer(&self, account: &Account, prepay: Result<&str, &str>) -> Result<Response, Stop> {
        let internal = |e: &dyn std::fmt::Display| Stop::from(Fault::of(Code::Internal).inside(e));
        let draft =
            ScanAnswer::compose(account, &crate::signature::nonce(), prepay).map_err(|e| internal(&e))?;
        let signature = self
            .app
            .keys()
            .sign(draft.key(), &draft.message())
            .map_err(|e| internal(&e))?;
        let body = draft.sign_with(&signature).map_err(|e| internal(&e))?;
        let mut response = http::Response::new(Full::new(Bytes::copy_from_slice(&body)));
        let kind = HeaderValue::from_static("text/xml; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        Ok(response)
    }
}

//= C69
fn parsed(asked: Asked, code: &PayCode, order_no: OrderNo, amount: Amount, now: Instant) -> Parsed {
    let facts = &code.facts;
    let create = Create {
        order_no,
        channel: Channel::Wechat,
        pay_way: PayWay::Product,
        // The code is of this account's app, and so is the payer's id.
        account: Some(asked.account.account.clone()),
        payee: facts.payee.clone(),
        appid: None,
        sub_appid: None,
        amount,
        expires: Some(Instant::from_secs(now.plus_millis(AT_THE_COUNTER_MS).secs())),
        code: facts.code,
        terminal: facts.terminal.clone(),
        number: None,
        area: None,
        device: Default::default(),
        product: None,
        combined: None,
        route: None,
        bank: None,
        by_code: Some(code.id.clone()),
        payer_at: Default::default(),
        left: false,
        ends_too_soon: false,
    };
    let text = facts.title.as_deref().unwrap_or(&asked.merchant.name);
    let buyer = Buyer {
        description: Text::new(text.chars().take(127).collect()),
        attach: None,
        payer: Some(asked.payer),
        client_ip: None,
        device_id: None,
        detail: None,
        h5_type: None,
        return_url: None,
        quit_url: None,
    };
    Parsed {
        merchant: asked.merchant,
        signed_at: now,
        mark: None,
        command: Command::Create(create),
        also: Vec::new(),
        cargo: Cargo::Compose,
        clear: Clear {
            buyer: Some(buyer),
            ..Clear::default()
        },
    }
}
