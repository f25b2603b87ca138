//! How the pages look. What every answer carries: nothing from elsewhere, no script but our own, in nobody's frame, in no
//! cache.

use super::{
    Scanned,
    ask::Ask,
    asked::Wrong,
    former::Former,
    place::{Form, Onward, Placed},
    unsure::is_unsure,
    wallet::Wallet,
    way_back,
    ways::{self, Offer, Offers},
    words::Words,
};
use crate::{
    accept::Received,
    api::render::{state_name, text_response},
    app::App,
    fault::Fault,
    legible::legible,
    stage::Response,
};
use askama::Template;
use domain::*;
use http::{HeaderName, HeaderValue, StatusCode, header};
use ledger::{Attempt, Order, OrderState};
use serde_json::Value;
use std::net::IpAddr;

/// Who looks.
pub(super) struct View<'a> {
    app: &'a App,
    pub(super) agent: &'a str,
    pub(super) wallet: Option<Wallet>,
    pub(super) source: IpAddr,
    w: &'static Words,
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    w: &'a Words,
    title: &'a str,
    text: &'a str,
    code: Option<&'a str>,
    again: Option<String>,
}

/// A way to pay, to be pressed.
struct Button {
    name: String,
    class: &'static str,
    title: String,
    how: &'static str,
    /// It cannot be pressed now.
    off: bool,
}

/// A form that goes on to the channel's page by itself, or by a press where scripts are off.
#[derive(Template)]
#[template(path = "onward.html")]
struct OnwardPage<'a> {
    w: &'a Words,
    shop: String,
    class: &'static str,
    going: String,
    form: &'a Form,
}

#[derive(Template)]
#[template(path = "choose.html")]
struct Choose<'a> {
    w: &'a Words,
    shop: String,
    title: Option<String>,
    amount: Option<String>,
    /// What the payer typed before.
    typed: Option<String>,
    buttons: Vec<Button>,
    /// Online banking: a heading, and banks.
    banks: Vec<(&'static str, Vec<Button>)>,
    wrong: Option<String>,
    former: Option<FormerShown>,
    here: String,
}

/// A way that was chosen before, in words; and what the payer may say of it.
struct FormerShown {
    text: String,
    unpaid: Option<String>,
}

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage<'a> {
    w: &'a Words,
    shop: String,
    amount: String,
    state: &'static str,
    kind: Kind,
    class: &'static str,
    waits: bool,
    call: Option<String>,
    scan: &'static str,
    link: Option<String>,
    here: String,
    /// Where the payer begins again; not where the merchant has ended it.
    again: Option<String>,
    rows: Vec<(&'static str, String)>,
}

/// What an order's page is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Call,
    Scan,
    Link,
    Away,
    Checking,
    Paid,
    Refunded,
    Over,
    /// Nobody knows whether it was paid.
    Unsure,
}

impl<'a> View<'a> {
    pub(super) fn of(app: &'a App, received: &'a Received) -> View<'a> {
        let header = |name: HeaderName| {
            received
                .head
                .headers
                .get(name)
                .and_then(|v| v.to_str().ok())
                .unwrap_or_default()
        };
        let agent = header(header::USER_AGENT);
        View {
            app,
            agent,
            wallet: Wallet::of(agent),
            source: received.peer.ip().to_canonical(),
            w: Words::of(header(header::ACCEPT_LANGUAGE)),
        }
    }

    fn page(&self, status: StatusCode, page: &impl Template) -> Response {
        let Ok(text) = page.render() else {
            return text_response(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "");
        };
        let mut response = text_response(status, "text/html; charset=utf-8", text);
        self.guard(&mut response);
        response
    }

    /// No page carries anything but its own. Its forms lead on to wallets and banks, and a browser holds each further hop there
    /// against `form-action` too; which hosts those are no document says, so that they are not named.
    fn guard(&self, response: &mut Response) {
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CACHE_CONTROL, "no-store"),
            (
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self' https:; frame-ancestors 'none'; base-uri 'none'",
            ),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            // WeChat's H5 asks which site sends the payer, and nobody needs to know more.
            (header::REFERRER_POLICY, "strict-origin"),
            (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
            (
                HeaderName::from_static("permissions-policy"),
                "camera=(), geolocation=(), microphone=()",
            ),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }

    pub(super) fn see_other(&self, address: &str) -> Response {
        let mut response = text_response(StatusCode::SEE_OTHER, "text/plain", "");
        self.guard(&mut response);
        if let Ok(address) = HeaderValue::from_str(address) {
            response.headers_mut().insert(header::LOCATION, address);
        }
        response
    }

    pub(super) fn to_order(&self, scanned: &Scanned, id: &PaymentId) -> Response {
        self.see_other(&format!("/q/{}/o/{id}", scanned.code.id))
    }

    pub(super) fn placed(&self, scanned: &Scanned, placed: &Placed) -> Response {
        match &placed.onward {
            Some(Onward::Address(address)) => self.see_other(address),
            Some(Onward::Form(form)) => {
                let mut response = self.page(
                    StatusCode::OK,
                    &OnwardPage {
                        w: self.w,
                        shop: legible(&scanned.merchant.name),
                        class: class(placed.way.channel),
                        going: self.w.going(&placed.way),
                        form,
                    },
                );
                if placed.way.channel.is_bank() {
                    way_back::remember(&mut response, &scanned.code.id, &placed.id);
                }
                response
            }
            None => self.to_order(scanned, &placed.id),
        }
    }

    fn message(&self, status: u16, text: &str, code: Option<&str>, scanned: Option<&Scanned>) -> Response {
        let again = scanned.map(|s| format!("/q/{}", s.code.id));
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.page(
            status,
            &Message {
                w: self.w,
                title: self.w.sorry,
                text,
                code,
                again,
            },
        )
    }

    /// A refusal; `scanned` to begin again from.
    pub(super) fn trouble(&self, fault: &Fault, scanned: Option<&Scanned>) -> Response {
        let (row, code) = (fault.code.row(), fault.channel_code.as_deref());
        let mut response = self.message(
            row.status,
            self.w.refusal(row.code, code),
            code.or(Some(row.code)),
            scanned,
        );
        if let Some(methods) = fault.allow {
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        if let Some(after) = fault.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response
    }

    /// A refusal as the road put it.
    pub(super) fn problem(&self, said: &Value, scanned: &Scanned) -> Response {
        let (code, channel) = (
            said["code"].as_str().unwrap_or("internal"),
            said["channel_code"].as_str(),
        );
        let status = said["status"]
            .as_u64()
            .and_then(|s| u16::try_from(s).ok())
            .unwrap_or(500);
        self.message(
            status,
            self.w.refusal(code, channel),
            channel.or(Some(code)),
            Some(scanned),
        )
    }

    /// An order at a code of which nobody knows whether it was paid.
    pub(super) fn unsure(&self) -> Response {
        self.page(
            StatusCode::OK,
            &Message {
                w: self.w,
                title: self.w.unsure,
                text: self.w.unsure_text,
                code: None,
                again: None,
            },
        )
    }

    pub(super) fn ended(&self) -> Response {
        self.message(410, self.w.ended(), None, None)
    }

    pub(super) fn again(&self, scanned: &Scanned) -> Response {
        self.message(400, self.w.lost_way(), None, Some(scanned))
    }

    /// Back from a bank, and nothing is known of an order.
    pub(super) fn lost(&self) -> Response {
        self.message(404, self.w.lost(), None, None)
    }

    pub(super) fn not_here(&self, scanned: &Scanned) -> Response {
        let _ = scanned;
        self.message(403, self.w.not_here(), None, None)
    }

    /// A wallet whose accounts are all down, and what works.
    pub(super) fn not_now(&self, scanned: &Scanned) -> Response {
        let working = ways::working(self.app, scanned);
        self.message(503, &self.w.wallet_not_now(&working), None, Some(scanned))
    }

    /// A wallet's browser at a code without an amount.
    pub(super) fn enter_amount(
        &self,
        scanned: &Scanned,
        typed: Option<String>,
        wrong: Option<Wrong>,
        former: Option<&Former>,
    ) -> Response {
        let class = self.wallet.and_then(Wallet::channel).map_or("", class);
        let button = Button {
            name: String::new(),
            class,
            title: self.w.go_on.to_owned(),
            how: "",
            off: former.is_some_and(|former| !former.free),
        };
        self.form(scanned, (vec![button], Vec::new()), typed, wrong, former)
    }

    /// A plain browser.
    pub(super) fn choose(
        &self,
        scanned: &Scanned,
        offered: &Offers,
        typed: Option<String>,
        wrong: Option<Wrong>,
        former: Option<&Former>,
    ) -> Response {
        let button = |Offer { way, open }: &Offer| {
            let (title, how) = self.w.way(way);
            Button {
                name: way.name(),
                class: class(way.channel),
                title: title.to_owned(),
                how: if *open { how } else { self.w.not_now() },
                off: !open,
            }
        };
        let bank = |offer: &Offer| Button {
            title: self.w.bank(&offer.way).to_owned(),
            how: if offer.open { "" } else { self.w.not_now() },
            ..button(offer)
        };
        let mut buttons: Vec<Button> = offered.wallets.iter().map(button).collect();
        let mut banks = Vec::new();
        match &offered.banks[..] {
            [] => {}
            // Nothing to choose from.
            [only] => buttons.push(button(only)),
            several => banks.push((self.w.online_banking(), several.iter().map(bank).collect())),
        }
        if !offered.companies.is_empty() {
            banks.push((self.w.companies(), offered.companies.iter().map(bank).collect()));
        }
        self.form(scanned, (buttons, banks), typed, wrong, former)
    }

    fn form(
        &self,
        scanned: &Scanned,
        (buttons, banks): (Vec<Button>, Vec<(&'static str, Vec<Button>)>),
        typed: Option<String>,
        wrong: Option<Wrong>,
        former: Option<&Former>,
    ) -> Response {
        let status = if wrong.is_some() {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::OK
        };
        self.page(
            status,
            &Choose {
                w: self.w,
                shop: legible(&scanned.merchant.name),
                title: scanned.code.facts.title.as_deref().map(legible),
                amount: scanned.code.facts.amount.map(Amount::to_yuan),
                typed,
                buttons,
                banks,
                wrong: wrong.map(|wrong| self.w.wrong(wrong)),
                former: former.map(|former| FormerShown {
                    text: self.w.former(former),
                    unpaid: former.free.then(|| self.w.unpaid(former)),
                }),
                here: format!("/q/{}", scanned.code.id),
            },
        )
    }

    /// An order, as the journal has it.
    pub(super) fn order(&self, scanned: &Scanned, order: &Order, call_up: Option<Value>) -> Response {
        let shown = order.winner().map_or(order.latest(), |(_, attempt)| attempt);
        let reach = shown.reach.as_ref().map(|(reach, _)| reach);
        // Parameters of one wallet are of no use in another.
        let call_up = call_up.filter(|_| self.wallet.and_then(Wallet::channel) == Some(shown.channel));
        let kind = match (order.state(), reach) {
            (OrderState::Paid | OrderState::PartlyRefunded, _) => Kind::Paid,
            (OrderState::Refunded, _) => Kind::Refunded,
            (OrderState::AwaitingPayment, Some(Reach::Prepay(_) | Reach::Cashier(_))) => Kind::Call,
            (OrderState::AwaitingPayment, Some(Reach::Code(_))) => Kind::Scan,
            (OrderState::AwaitingPayment, Some(Reach::Link(_))) => Kind::Link,
            (OrderState::AwaitingPayment, Some(Reach::HandedOut)) => Kind::Away,
            (OrderState::AwaitingPayment | OrderState::Unknown | OrderState::Reversing, _) => Kind::Checking,
            _ if is_unsure(order) => Kind::Unsure,
            (
                OrderState::Closed | OrderState::Reversed | OrderState::NotPlaced | OrderState::Unresolved,
                _,
            ) => Kind::Over,
        };
        let here = format!("/q/{}/o/{}", scanned.code.id, order.id);
        let link = match reach {
            Some(Reach::Link(url)) if kind == Kind::Link => Some(self.with_way_back(url, &here)),
            _ => None,
        };
        let mut rows = vec![(self.w.order, order.order_no.to_string())];
        if let Some((facts, _)) = &shown.paid {
            rows.push((self.w.by, self.by(scanned, shown)));
            rows.push((
                self.w.time,
                facts
                    .paid_at
                    .to_string()
                    .replace('T', " ")
                    .chars()
                    .take(19)
                    .collect(),
            ));
            if !order.refunded().is_zero() {
                rows.push((self.w.went_back, format!("¥ {}", order.refunded().to_yuan())));
            }
            rows.push((self.w.record, format!("#{}", order.last)));
        }
        // Who paid beside another reads here that it does not stand, whoever is told that the order is paid.
        for (attempt, back) in order.beside_the_winner() {
            let (label, fen) = match back.is_zero() {
                true => (self.w.goes_back, attempt.amount),
                false => (self.w.went_back, back),
            };
            let wallet = self.by(scanned, attempt);
            rows.push((label, format!("{wallet} · ¥ {}", fen.to_yuan())));
        }
        self.page(
            StatusCode::OK,
            &OrderPage {
                w: self.w,
                shop: legible(&scanned.merchant.name),
                amount: shown.amount.to_yuan(),
                state: state_name(order.state()),
                kind,
                class: class(shown.channel),
                waits: !matches!(kind, Kind::Paid | Kind::Refunded | Kind::Over | Kind::Unsure),
                call: call_up.map(|value| value.to_string()),
                scan: self.w.scan(shown.channel),
                link,
                again: (!order.latest().ended_by_merchant()).then(|| format!("/q/{}", scanned.code.id)),
                here,
                rows,
            },
        )
    }

    /// By which wallet it was paid; beside UnionPay the bank to which the payer was led.
    fn by(&self, scanned: &Scanned, paid: &Attempt) -> String {
        let wallet = self.w.wallet(paid.channel);
        let listed = |code: &BankNo| {
            let accounts = scanned.merchant.accounts.iter();
            let mut facts = accounts.filter_map(|account| account.bank.as_ref());
            facts.find_map(|facts| facts.listed(code, paid.pay_way))
        };
        match paid.bank.as_ref().and_then(listed) {
            Some(bank) => format!("{wallet} · {}", self.w.name_of(bank)),
            None => wallet.to_owned(),
        }
    }

    /// H5 sends the payer back here (channels.md 1.10).
    fn with_way_back(&self, url: &str, here: &str) -> String {
        let base = self.app.config().listen.pages_url.as_deref().unwrap_or_default();
        let back = percent_encoding::utf8_percent_encode(
            &format!("{base}{here}"),
            percent_encoding::NON_ALPHANUMERIC,
        )
        .to_string();
        format!("{url}&redirect_url={back}")
    }
}

fn class(channel: Channel) -> &'static str {
    match channel {
        Channel::Wechat => "wechat",
        Channel::Alipay => "alipay",
        Channel::Unionpay => "unionpay",
        Channel::Baidu => "baidu",
        Channel::Ccb => "ccb",
        Channel::Icbc => "icbc",
        Channel::Cmb => "cmb",
    }
}

/// Our own sheet and script, and no icon.
pub(super) fn asset(ask: &Ask) -> Response {
    let (status, kind, text) = match ask {
        Ask::Script => (
            StatusCode::OK,
            "text/javascript; charset=utf-8",
            include_str!("page.js"),
        ),
        Ask::Icon => (StatusCode::NO_CONTENT, "image/x-icon", ""),
        _ => (
            StatusCode::OK,
            "text/css; charset=utf-8",
            include_str!("style.css"),
        ),
    };
    let mut response = text_response(status, kind, text);
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=3600"),
    );
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    /// Relative luminance as WCAG 2 has it.
    fn luminance(colour: &str) -> f64 {
        let digits = colour.trim_start_matches('#');
        let digits: String = match digits.len() {
            3 => digits.chars().flat_map(|c| [c, c]).collect(),
            _ => digits.to_owned(),
        };
        let part = |at: usize| {
            let part = f64::from(u8::from_str_radix(&digits[at..at + 2], 16).expect("a colour")) / 255.0;
            if part <= 0.04045 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
    }

    fn ratio(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        (one / other).max(other / one)
    }

    #[test]
    fn text_stands_out_from_what_is_behind_it() {
        let rules: HashMap<&str, HashMap<&str, &str>> = include_str!("style.css")
            .lines()
            .filter_map(|line| line.strip_suffix('}')?.split_once('{'))
            .map(|(selector, rule)| {
                (
                    selector.trim(),
                    rule.split(';')
                        .filter_map(|d| d.trim().split_once(": "))
                        .collect(),
                )
            })
            .collect();
        let of = |selector: &str, property: &str| {
            let value = rules[selector]
                .get(property)
                .unwrap_or_else(|| panic!("{selector} has no {property}"));
            match value.strip_prefix("var(").and_then(|name| name.strip_suffix(')')) {
                Some(name) => rules[":root"][name],
                None => value,
            }
        };
        let card = of(".card", "background");
        // What is read at 24 px or more is large.
        let (small, large) = (4.5, 3.0);
        let pairs = [
            (of(".button", "color"), of(".button", "background"), small),
            (of(".button", "color"), of(".wechat.button", "background"), small),
            (of(".button", "color"), of(".alipay.button", "background"), small),
            (
                of(".button", "color"),
                of(".unionpay.button", "background"),
                small,
            ),
            (of(".button", "color"), of(".baidu.button", "background"), small),
            (
                of(".plain.button", "color"),
                of(".plain.button", "background"),
                small,
            ),
            (of(".bank", "color"), of(".bank", "background"), small),
            (of(".bank small", "color"), of(".bank", "background"), small),
            (of(".former", "color"), of(".former", "background"), small),
            (of(".wrong", "color"), of(".wrong", "background"), small),
            (of(".note", "color"), of(".note", "background"), small),
            (of("body", "color"), card, small),
            (of(".what", "color"), card, small),
            (of(".small", "color"), card, small),
            (of("label", "color"), card, small),
            (of("dt", "color"), card, small),
            (of(".typed .unit", "color"), card, small),
            (of("footer", "color"), rules[":root"]["--ground"], small),
            (of(".typed input::placeholder", "color"), card, large),
            (of(".mark", "color"), of(".glad", "background"), large),
            (of(".mark", "color"), of(".sad", "background"), large),
        ];
        for (text, ground, least) in pairs {
            assert!(
                ratio(text, ground) >= least,
                "{text} on {ground}: {:.2}",
                ratio(text, ground)
            );
        }
        assert!(
            rules[".card"]["overflow-wrap"] == "anywhere",
            "a long word makes the page wider than a phone"
        );
    }
}
