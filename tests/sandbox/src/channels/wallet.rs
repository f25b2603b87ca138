//! The payer's side in a browser: the wallets' pages of authorisation (channels.md 7), the exchange of their codes, and a
//! page that pays what a shop's page called up. Whose wallet it is stands in a cookie, as if the payer had signed in once.

use super::clock::now;
use super::control_pay;
use super::fault::{Channel, Kind, Operation};
use super::keys;
use super::order::{Order, State};
use super::server::{Answer, Incoming, Reply, plain, typed};
use super::world::{Key, World};
use domain::{Amount, Instant};
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A code of authorisation is good for five minutes, once.
const LIFE_MS: i64 = 5 * 60_000;
/// Failed and used codes are remembered up to this many.
const MOST: usize = 10_000;

/// A code of authorisation.
struct Given {
    channel: Channel,
    /// The app that asked.
    app: String,
    payer: String,
    until: Instant,
    used: bool,
}

/// A payer's id in an app.
struct Named {
    app: String,
    /// Whose wallet it is, as its cookie says.
    payer: String,
}

/// All codes of authorisation, and which ids they told. An openid and an `open_id` are of one app; Alipay's `user_id` is of none.
#[derive(Default)]
pub(crate) struct Authorised {
    codes: BTreeMap<String, Given>,
    named: HashMap<(Channel, String), Named>,
}

/// Why a code does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotGood {
    /// Nobody was given it, or another app.
    Unknown,
    /// A second time.
    Used,
    /// Too late.
    Expired,
}

impl Authorised {
    fn give(&mut self, channel: Channel, app: &str, payer: &str) -> String {
        if self.codes.len() >= MOST {
            self.codes.clear();
        }
        let payer = self.named(channel, app, payer);
        let code = keys::random_text(32);
        let until = now().plus_millis(LIFE_MS);
        self.codes.insert(
            code.clone(),
            Given {
                channel,
                app: app.to_owned(),
                payer,
                until,
                used: false,
            },
        );
        code
    }

    /// A payer's id in an app: in the first app that asks what the wallet is signed in as, in others another one.
    fn named(&mut self, channel: Channel, app: &str, payer: &str) -> String {
        if is_of_no_app(channel, payer) {
            return payer.to_owned();
        }
        if self.named.len() >= MOST {
            self.named.clear();
        }
        let first = self.named.get(&(channel, payer.to_owned()));
        let id = match first.is_none_or(|first| first.app == app) {
            true => payer.to_owned(),
            false => {
                let digest = hex::encode(Sha256::digest(format!("{app}\n{payer}")));
                format!("o{}", digest.get(..27).unwrap_or_default())
            }
        };
        let named = Named {
            app: app.to_owned(),
            payer: payer.to_owned(),
        };
        self.named.insert((channel, id.clone()), named);
        id
    }

    /// Whether an id may stand in an order of this app: one that another app was told is nobody there.
    pub(super) fn counts(&self, channel: Channel, app: &str, id: &str) -> bool {
        let known = self.named.get(&(channel, id.to_owned()));
        is_of_no_app(channel, id) || known.is_none_or(|known| known.app == app)
    }

    /// Whether an id is of whoever is signed in.
    fn is(&self, channel: Channel, payer: &str, id: &str) -> bool {
        let known = self.named.get(&(channel, id.to_owned()));
        payer == id || known.is_some_and(|known| known.payer == payer)
    }

    /// Whose it is; once.
    pub(super) fn take(&mut self, channel: Channel, app: &str, code: &str) -> Result<String, NotGood> {
        let given = self
            .codes
            .get_mut(code)
            .filter(|g| g.channel == channel && g.app == app)
            .ok_or(NotGood::Unknown)?;
        if given.used {
            return Err(NotGood::Used);
        }
        given.used = true;
        if now() >= given.until {
            Err(NotGood::Expired)
        } else {
            Ok(given.payer.clone())
        }
    }
}

fn is_of_no_app(channel: Channel, id: &str) -> bool {
    channel == Channel::Alipay && id.starts_with("2088")
}

/// Answers what a payer's browser asks; `None` for what is a channel's.
pub(crate) fn handle(world: &Arc<World>, request: &Incoming) -> Option<Reply> {
    let get = request.method == Method::GET;
    let answer = match request.path.as_str() {
        "/connect/oauth2/authorize" if get => authorize(world, request, Channel::Wechat),
        "/oauth2/publicAppAuthorize.htm" if get => authorize(world, request, Channel::Alipay),
        "/sns/oauth2/access_token" if get => return Some(access_token(world, request)),
        "/wallet/bridge.js" if get => bridge(request),
        "/wallet/wechat" => pay_page(world, request, Channel::Wechat),
        "/wallet/alipay" => pay_page(world, request, Channel::Alipay),
        _ => return None,
    };
    Some(Reply::Now(answer))
}

fn fields(request: &Incoming) -> BTreeMap<String, String> {
    form_urlencoded::parse(request.query.as_bytes())
        .into_owned()
        .collect()
}

fn page(status: StatusCode, title: &str, body: &str) -> Answer {
    let style = "body{font:17px/1.6 sans-serif;margin:0;padding:48px 20px;text-align:center;color:#17211c;background:#f4f6f5}b{display:block;font-size:40px;margin:12px}\
                 button,a{display:block;box-sizing:border-box;width:100%;max-width:380px;margin:14px auto;padding:13px;border:0;border-radius:12px;font:inherit;text-decoration:none;color:#fff;background:#07853f}\
                 a{background:#fff;color:#66726b}.alipay button{background:#0f6be8}";
    typed(
        status,
        "text/html;charset=utf-8",
        format!(
            "<!doctype html><html lang=\"zh\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{style}</style></head><body>{body}</body></html>"
        ),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn is_inside(request: &Incoming, channel: Channel) -> bool {
    let mark = if channel == Channel::Wechat {
        "MicroMessenger"
    } else {
        "AlipayClient"
    };
    request.header("user-agent").contains(mark)
}

const fn cookie_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Wechat => "wechat_payer",
        Channel::Alipay => "alipay_payer",
        Channel::Unionpay => "unionpay_payer",
        Channel::Baidu => "baidu_payer",
        Channel::Ccb => "ccb_payer",
        Channel::Icbc => "icbc_payer",
        Channel::Cmb => "cmb_payer",
    }
}

/// Who is signed in to this wallet.
fn signed_in(request: &Incoming, channel: Channel) -> Option<String> {
    let pairs = request
        .header("cookie")
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    let lawful = |text: &&str| {
        (1..=128).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
    };
    pairs
        .filter(|(name, _)| *name == cookie_name(channel))
        .map(|(_, value)| value)
        .find(lawful)
        .map(str::to_owned)
}

/// Sends the browser back with a code.
fn authorize(world: &Arc<World>, request: &Incoming, channel: Channel) -> Answer {
    let asked = fields(request);
    let text = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    if !is_inside(request, channel) {
        let name = if channel == Channel::Wechat {
            "微信"
        } else {
            "支付宝"
        };
        return page(
            StatusCode::OK,
            "沙箱",
            &format!("<p>请在{name}客户端打开链接</p>"),
        );
    }
    let (app_field, code_field) = if channel == Channel::Wechat {
        ("appid", "code")
    } else {
        ("app_id", "auth_code")
    };
    let app = text(app_field);
    let wrong = match channel {
        Channel::Wechat if !world.merchants.iter().any(|m| m.facts.wechat.appid == app) => {
            Some("appid 参数错误 10013")
        }
        Channel::Wechat if text("response_type") != "code" => Some("response_type 参数错误"),
        Channel::Wechat if !["snsapi_base", "snsapi_userinfo"].contains(&text("scope")) => {
            Some("scope 参数错误 10005")
        }
        Channel::Alipay if world.merchant_by_app(app).is_none() => Some("app_id 无效"),
        Channel::Alipay if !["auth_base", "auth_user"].contains(&text("scope")) => Some("scope 无效"),
        _ if !text("redirect_uri").starts_with("https://") || text("redirect_uri").contains('#') => {
            Some("redirect_uri 参数错误 10003")
        }
        _ if text("state").len() > 128 || !text("state").bytes().all(|b| b.is_ascii_alphanumeric()) => {
            Some("state 参数错误")
        }
        _ => None,
    };
    if let Some(wrong) = wrong {
        return page(StatusCode::OK, "沙箱", &format!("<p>{wrong}</p>"));
    }
    let payer = signed_in(request, channel).unwrap_or_else(|| Order::random_payer(channel));
    let code = world.with(|book| book.authorised.give(channel, app, &payer));
    let mut back = form_urlencoded::Serializer::new(String::new());
    back.append_pair(code_field, &code)
        .append_pair("state", text("state"));
    if channel == Channel::Alipay {
        back.append_pair("app_id", app)
            .append_pair("scope", text("scope"));
    }
    let joint = if text("redirect_uri").contains('?') {
        '&'
    } else {
        '?'
    };
    let cookie = format!("{}={payer}; Path=/; Secure; HttpOnly", cookie_name(channel));
    redirect(
        &format!("{}{joint}{}", text("redirect_uri"), back.finish()),
        Some(&cookie),
    )
}

fn redirect(address: &str, cookie: Option<&str>) -> Answer {
    let mut answer = plain(StatusCode::FOUND, "");
    for (name, value) in [(header::LOCATION, Some(address)), (header::SET_COOKIE, cookie)] {
        if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// WeChat's exchange of a code: unsigned, the app's secret in the address.
fn access_token(world: &Arc<World>, request: &Incoming) -> Reply {
    let asked = fields(request);
    let text = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let app = world
        .merchants
        .iter()
        .position(|m| m.facts.wechat.appid == text("appid"));
    let fault = world.arrive(Channel::Wechat, Operation::Authorize, app, None, request);
    let refused = |code: u32, text: &str| json!({ "errcode": code, "errmsg": text });
    let said = match app.and_then(|n| world.merchants.get(n)) {
        _ if matches!(fault, Some(Kind::TimeoutBefore)) => return Reply::Never,
        _ if matches!(fault, Some(Kind::Status5xx)) => {
            return Reply::Now(plain(StatusCode::BAD_GATEWAY, "502 Bad Gateway"));
        }
        _ if matches!(fault, Some(Kind::Busy)) => refused(45_011, "api minute-quota reach limit"),
        None => refused(40_013, "invalid appid"),
        Some(merchant) if merchant.facts.wechat.app_secret != text("secret") => {
            refused(40_125, "invalid appsecret")
        }
        Some(_) if text("grant_type") != "authorization_code" => refused(40_002, "invalid grant_type"),
        Some(_) => {
            match world.with(|book| book.authorised.take(Channel::Wechat, text("appid"), text("code"))) {
                Ok(openid) => {
                    json!({ "access_token": keys::random_text(64), "expires_in": 7200, "refresh_token": keys::random_text(64), "openid": openid, "scope": "snsapi_base" })
                }
                Err(NotGood::Unknown) => refused(40_029, "invalid code"),
                Err(NotGood::Used) => refused(40_163, "code been used"),
                Err(NotGood::Expired) => refused(42_003, "code expired"),
            }
        }
    };
    let body = if fault == Some(Kind::Garbage) {
        "<html>".to_owned()
    } else {
        said.to_string()
    };
    let answer = typed(StatusCode::OK, "text/plain", body);
    match fault {
        Some(Kind::TimeoutAfter) => Reply::Never,
        Some(Kind::Slow) => Reply::After(world.slow, answer),
        _ => Reply::Now(answer),
    }
}

/// What a wallet's web view puts into every page, for a plain browser that pretends to be one: it goes to the page that pays
/// and comes back.
fn bridge(request: &Incoming) -> Answer {
    let script = include_str!("bridge.js").replace("ORIGIN", &format!("https://{}", request.header("host")));
    typed(StatusCode::OK, "text/javascript;charset=utf-8", script)
}

/// The wallet shows what is to be paid; the payer confirms.
fn pay_page(world: &Arc<World>, request: &Incoming, channel: Channel) -> Answer {
    let asked = fields(request);
    let text = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let key = match called_up(world, channel, &asked) {
        Ok(key) => key,
        Err(why) => return page(StatusCode::OK, "沙箱", &format!("<p>{}</p>", escaped(why))),
    };
    let back = Some(text("back")).filter(|back| back.starts_with("https://"));
    let payer = signed_in(request, channel);
    let shown = world.with(|book| book.order(&key).map(|o| (o.fen, o.state, o.payer.clone(), o.way)));
    let Some((fen, state, wanted, way)) = shown else {
        return page(StatusCode::OK, "沙箱", "<p>订单不存在</p>");
    };
    let named = ["JSAPI", "create"].contains(&way);
    let is = |payer: &str| world.with(|book| book.authorised.is(channel, payer, &wanted));
    if named && payer.as_deref().is_some_and(|payer| !is(payer)) {
        return page(
            StatusCode::OK,
            "沙箱",
            "<p>下单账号与支付账号不一致，请核实后再支付</p>",
        );
    }
    match (state, request.method == Method::POST) {
        (State::Closed, _) => page(StatusCode::OK, "沙箱", "<p>订单已关闭</p>"),
        (State::Unpaid, false) => confirm(channel, fen, request, back),
        (State::Unpaid, true) | (State::Paid, _) => {
            if state == State::Unpaid {
                control_pay::confirmed(world, key);
            }
            back.map_or_else(
                || page(StatusCode::OK, "沙箱", "<p>支付成功</p>"),
                |back| redirect(back, None),
            )
        }
    }
}

fn confirm(channel: Channel, fen: u64, request: &Incoming, back: Option<&str>) -> Answer {
    let (class, name) = if channel == Channel::Wechat {
        ("wechat", "微信支付沙箱")
    } else {
        ("alipay", "支付宝沙箱")
    };
    let cancel = back
        .map(|back| format!("<a href=\"{}\">取消</a>", escaped(back)))
        .unwrap_or_default();
    let form = format!(
        "<div class=\"{class}\"><p>{name}</p><b>￥{}</b><form method=\"post\" action=\"{}\"><button id=\"confirm\">确认支付</button></form>{cancel}</div>",
        Amount::from_fen(fen).to_yuan(),
        escaped(&request.target()),
    );
    page(StatusCode::OK, name, &form)
}

/// The order that a page called up; WeChat's parameters are signed by the merchant (channels.md 1.10).
fn called_up(world: &World, channel: Channel, asked: &BTreeMap<String, String>) -> Result<Key, &'static str> {
    let text = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    if channel == Channel::Alipay {
        return world
            .with(|book| book.by_number(channel, text("tradeNO")))
            .ok_or("交易不存在");
    }
    let prepay = text("package").strip_prefix("prepay_id=").ok_or("package错误")?;
    let key = world.with(|book| book.codes.get(prepay).cloned());
    let key = key.filter(|key| key.0 == channel).ok_or("prepay_id无效")?;
    let merchant = world.merchants.get(key.1).ok_or("prepay_id无效")?;
    // An app may be bound to several merchant numbers: the one that the order was placed with calls it up.
    let app = world.with(|book| {
        book.order(&key).map(|order| {
            // Whoever's id the payer goes by calls it up.
            let names = match order.asked["payer"].get("sub_openid") {
                Some(_) => &["sub_appid"][..],
                None => &["appid", "combine_appid", "sp_appid"],
            };
            names
                .iter()
                .map(|name| order.asked[*name].clone())
                .collect::<Vec<_>>()
        })
    });
    if !app.is_some_and(|app| app.iter().any(|app| *app == text("appId"))) {
        return Err("appId错误");
    }
    let message = format!(
        "{}\n{}\n{}\n{}\n",
        text("appId"),
        text("timeStamp"),
        text("nonceStr"),
        text("package")
    );
    if text("signType") != "RSA" || !merchant.wechat_key.verify(message.as_bytes(), text("paySign")) {
        return Err("支付验证签名失败");
    }
    Ok(key)
}
