//! What a merchant's own client encrypted, at the pass-through, in both of Alipay's forms: refused where the content
//! key is not here, opened and held to every rule where it is; the octets go on and come back as they are; outcomes are
//! learned from encrypted answers; nothing hostile inside leaves; killed between every two steps.

use super::{Done, SUBJECT, digits};
use crate::{
    kills::{MUTATION, Yard, id},
    native::shown,
    routes::entries,
};
use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use certs::{Keys, Material};
use domain::{Breach, KeyRef, TradeEvent};
use sandbox::demo::{
    acp::now,
    alipay_door::AlipayDoor,
    browser::{Browser, COMPUTER},
    place::{Options, RETURN_HOST},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, time::Duration};
use tokio::time::sleep;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Gateway,
    V3,
}

const FORMS: [Form; 2] = [Form::Gateway, Form::V3];

struct Shop<'a> {
    yard: &'a Yard,
    door: AlipayDoor,
}

impl<'a> Shop<'a> {
    fn of(yard: &'a Yard) -> anyhow::Result<Shop<'a>> {
        let place = &yard.demo.place;
        let door = AlipayDoor::open(place, yard.demo.ca(), &place.merchants[0])?;
        Ok(Shop {
            yard,
            door: door.encrypting()?,
        })
    }

    /// A call; what Alipay said, verified and decrypted by the client.
    async fn call(&self, form: Form, call: &str, content: &Value) -> anyhow::Result<Value> {
        let notify = call == "precreate";
        match form {
            Form::Gateway => {
                let method = format!("alipay.trade.{call}");
                self.door.gateway(&method, content, notify).await
            }
            Form::V3 => {
                let mut content = content.clone();
                if notify {
                    content["notify_url"] = self.door.notify_url.as_str().into();
                }
                self.door.v3(&call.replace('.', "/"), &content).await
            }
        }
    }

    /// This text in the content's place; what came back, whatever it is.
    async fn say(&self, form: Form, text: &str) -> anyhow::Result<String> {
        let answer = match form {
            Form::Gateway => self.door.post(&self.form(text)?).await?,
            Form::V3 => {
                self.door
                    .v3_text("/v3/alipay/trade/precreate", text, true)
                    .await?
            }
        };
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    fn form(&self, text: &str) -> anyhow::Result<String> {
        let time: String = now().to_string().replace('T', " ").chars().take(19).collect();
        let more = [("encrypt_type", "AES")];
        self.door
            .signed_text(&time, "alipay.trade.precreate", text, &more)
    }

    async fn pay(&self, number: &str, outcome: &str) -> Done {
        let pay = json!({ "channel": "alipay", "out_trade_no": number, "outcome": outcome, "notify": false });
        self.yard.demo.control("/control/pay", &pay).await.map(drop)
    }

    async fn is(&self, number: &str, state: &str) -> anyhow::Result<Value> {
        let order = shown(self.yard, number).await?;
        ensure!(order["state"] == state, "{number} is not {state}: {order}");
        Ok(order)
    }

    /// The channel's latest request of a kind is encrypted through and through.
    async fn encrypted(&self, operation: &str) -> Done {
        let sent = self.yard.demo.last_request("alipay", operation).await?;
        let clear = sent.contains(SUBJECT) || sent.contains("out_trade_no") || sent.contains('{');
        ensure!(!clear, "{operation} left as {sent}");
        Ok(())
    }

    /// How often the channel was asked for something that would change an order.
    async fn heard(&self) -> anyhow::Result<usize> {
        let all = self.yard.demo.channel_requests().await?;
        let changes = |r: &&Value| {
            ["create", "close", "refund", "reverse"]
                .iter()
                .any(|o| r["operation"] == **o)
        };
        Ok(all["requests"]
            .as_array()
            .context("requests")?
            .iter()
            .filter(changes)
            .count())
    }

    /// Without the key it is refused, in words that say what to lay down where, and on record.
    async fn without_its_key(&self) -> Done {
        for form in FORMS {
            let order = order(&self.yard.demo.next_number());
            let error = self
                .call(form, "precreate", &order)
                .await
                .err()
                .context("taken")?;
            let said = format!("{error:#}");
            ensure!(
                said.contains("alipay/<app_id>/content.aes") && said.contains("in clear"),
                "{form:?}: {said}"
            );
        }
        ensure!(self.heard().await? == 0, "the channel heard of it");
        let refused = entries(&self.yard.demo).await?.into_iter().filter(|entry| {
            entry.merchant.is_some()
                && matches!(&entry.event, TradeEvent::GuardRefused { breach: Breach::Field, count: None, name: Some(name), .. } if &**name == "encrypt_type")
        });
        ensure!(refused.count() == FORMS.len(), "not on record");
        Ok(())
    }

    /// The operator lays the key down while everything runs.
    async fn lay_down(&self) -> Done {
        let account = &self.door.account;
        let file = self.yard.demo.place.dir.join("keys/alipay").join(&account.app_id);
        let file = file.join("content.aes");
        fs::write(&file, &account.aes_key)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        for _ in 0..400 {
            let nobody = json!({ "out_trade_no": "NOBODYS0001" });
            if self.call(Form::Gateway, "query", &nobody).await.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(100)).await;
        }
        bail!("the key was not taken")
    }

    /// What leaves is what came, octet for octet.
    async fn octets(&self, form: Form) -> Done {
        let text = self.door.written(&order(&self.yard.demo.next_number()))?;
        let sent = match form {
            Form::Gateway => {
                let form = self.form(&text)?;
                self.door.post(&form).await?;
                form
            }
            Form::V3 => {
                self.door
                    .v3_text("/v3/alipay/trade/precreate", &text, true)
                    .await?;
                text
            }
        };
        let came = self.yard.demo.last_request("alipay", "create").await?;
        ensure!(sent == came, "sent {sent}, came {came}");
        Ok(())
    }

    /// Placed, paid, paid back, closed: nobody but the encrypted answers tells of it.
    async fn life(&self, form: Form) -> Done {
        let number = self.yard.demo.next_number();
        let placed = self.call(form, "precreate", &order(&number)).await?;
        ensure!(placed["qr_code"].is_string(), "{placed}");
        self.encrypted("create").await?;
        self.is(&number, "awaiting_payment").await?;
        self.pay(&number, "paid").await?;
        let one = json!({ "out_trade_no": number });
        let asked = self.call(form, "query", &one).await?;
        ensure!(asked["trade_status"] == "TRADE_SUCCESS", "{asked}");
        self.encrypted("query").await?;
        let paid = self.is(&number, "paid").await?;
        ensure!(
            paid["paid"]["amount"] == 710 && paid["paid"]["proof"] == "query",
            "{paid}"
        );
        let refund = json!({ "out_trade_no": number, "out_request_no": "e1", "refund_amount": "3.00" });
        let refunded = self.call(form, "refund", &refund).await?;
        ensure!(refunded["fund_change"] == "Y", "{refunded}");
        self.encrypted("refund").await?;
        let which = json!({ "out_trade_no": number, "out_request_no": "e1" });
        let asked = self.call(form, "fastpay.refund.query", &which).await?;
        ensure!(asked["refund_status"] == "REFUND_SUCCESS", "{asked}");
        let shown = self.is(&number, "partly_refunded").await?;
        ensure!(shown["refunds"][0]["state"] == "succeeded", "{shown}");
        let number = self.yard.demo.next_number();
        self.call(form, "precreate", &order(&number)).await?;
        self.pay(&number, "declined").await?;
        self.call(form, "close", &json!({ "out_trade_no": number }))
            .await?;
        self.encrypted("close").await?;
        self.is(&number, "closed").await.map(drop)
    }

    /// A payment code: paid at once and taken back, and one whose payer types no password.
    async fn code(&self, form: Form) -> Done {
        for outcome in ["paid", "late"] {
            let number = self.yard.demo.next_number();
            let code = format!("28{}", digits(&format!("{number}{form:?}")));
            let payer = json!({ "channel": "alipay", "auth_code": code, "outcome": outcome });
            self.yard.demo.control("/control/pay", &payer).await?;
            let mut content = order(&number);
            content["scene"] = "bar_code".into();
            content["auth_code"] = code.into();
            let said = self.call(form, "pay", &content).await?;
            ensure!(said["gmt_payment"].is_string() == (outcome == "paid"), "{said}");
            self.encrypted("create").await?;
            if outcome == "paid" {
                self.is(&number, "paid").await?;
            }
            let back = self
                .call(form, "cancel", &json!({ "out_trade_no": number }))
                .await?;
            let action = if outcome == "paid" { "refund" } else { "close" };
            ensure!(back["action"] == action, "{back}");
            self.is(&number, "reversed").await?;
        }
        Ok(())
    }

    /// What does not open is unknown, and found out.
    async fn garbled(&self, form: Form) -> Done {
        let number = self.yard.demo.next_number();
        let fault =
            json!({ "channel": "alipay", "operation": "create", "kind": "garbage", "out_trade_no": number });
        self.yard.demo.control("/control/fault", &fault).await?;
        ensure!(
            self.call(form, "precreate", &order(&number)).await.is_err(),
            "no fault"
        );
        let path = format!("/v1/payments?order_no={number}");
        let unknown = self.yard.merchant()?.ask("GET", &path, None).await?;
        ensure!(
            unknown.status == 202 && unknown.json()["state"] == "unknown",
            "{}",
            unknown.json()
        );
        self.call(form, "precreate", &order(&number)).await?;
        self.is(&number, "awaiting_payment").await.map(drop)
    }

    /// What a payer's browser brings, by address: it is sent on with the octets that the merchant signed.
    async fn page(&self, way: &str, product: &str) -> Done {
        let (number, method) = (self.yard.demo.next_number(), format!("alipay.trade.{way}.pay"));
        let mut content = order(&number);
        content["product_code"] = product.into();
        let gateway = format!(
            "https://127.0.0.1:{}/gateway.do",
            self.yard.demo.place.ports.alipay
        );
        let back = format!("https://{RETURN_HOST}/back?o=1");
        let address = |content: &Value| -> anyhow::Result<String> {
            Ok(format!(
                "{gateway}?{}",
                self.door.for_browser(&method, content, &back)?
            ))
        };
        let mut browser = Browser::new(self.yard.demo.ca(), COMPUTER);
        let good = address(&content)?;
        let page = browser.open(&good).await?;
        let (_, query) = good.split_once('?').context("a query")?;
        ensure!(
            page.answer.status == 200
                && page.way.len() == 2
                && page.way.iter().all(|way| way.ends_with(query)),
            "{:?} {}",
            page.way,
            page.text()
        );
        self.pay(&number, "paid").await?;
        self.call(Form::Gateway, "query", &json!({ "out_trade_no": number }))
            .await?;
        ensure!(self.is(&number, "paid").await?["pay_way"] == way, "another way");
        content["royalty_info"] = json!({});
        content["out_trade_no"] = self.yard.demo.next_number().into();
        let page = browser.open(&address(&content)?).await?;
        ensure!(
            page.answer.status == 403 && page.text().contains("royalty_info"),
            "{} {}",
            page.answer.status,
            page.text()
        );
        Ok(())
    }
}

fn order(number: &str) -> Value {
    json!({ "out_trade_no": number, "total_amount": "7.10", "subject": SUBJECT })
}

/// With the merchant's signing key at the merchant alone: whatever is known here, the merchant's own calls have told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C98
async fn what_a_merchants_own_client_encrypted_is_carried_where_its_key_is() {
    let options = Options {
        keys_held: false,
        ..Options::default()
    };
    let yard = Yard::with(options).await.expect("demo");
    let shop = Shop::of(&yard).expect("a client");
    shop.without_its_key()
        .await
        .unwrap_or_else(|e| panic!("no key: {e:#}"));
    shop.lay_down().await.unwrap_or_else(|e| panic!("key: {e:#}"));
    for form in FORMS {
        shop.octets(form)
            .await
            .unwrap_or_else(|e| panic!("{form:?} octets: {e:#}"));
        shop.life(form)
            .await
            .unwrap_or_else(|e| panic!("{form:?} life: {e:#}"));
        shop.code(form)
            .await
            .unwrap_or_else(|e| panic!("{form:?} code: {e:#}"));
        shop.garbled(form)
            .await
            .unwrap_or_else(|e| panic!("{form:?} garbled: {e:#}"));
    }
    for (way, product) in [("page", "FAST_INSTANT_TRADE_PAY"), ("wap", "QUICK_WAP_WAY")] {
        shop.page(way, product)
            .await
            .unwrap_or_else(|e| panic!("{way}: {e:#}"));
    }
}

fn sealing(key: &str) -> impl Fn(&[u8]) -> Vec<u8> + use<> {
    let (keys, name) = (Keys::default(), KeyRef::new("content").expect("a name"));
    let material = Material::content(key.as_bytes()).expect("a content key");
    keys.put(name.clone(), material);
    move |plain| keys.seal_content(&name, plain).expect("seals")
}

/// Each is refused with its reason, none leaves, all are on record; what does not open is refused in one and the same
/// words.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C98
//= C03
async fn nothing_hostile_inside_leaves() {
    let options = Options {
        content_keys: true,
        ..Options::default()
    };
    let yard = Yard::with(options).await.expect("demo");
    let shop = Shop::of(&yard).expect("a client");
    let (own, other) = (
        sealing(&shop.door.account.aes_key),
        sealing(&STANDARD.encode([7; 16])),
    );
    let plain = order("ENCRYPTED0001").to_string();
    let with = |more: &str| plain.replacen('{', &format!("{{{more},"), 1);
    let inside = [
        (with(r#""seller_id":"2088000000000009""#), "acts for somebody"),
        (with(r#""seller_id":"""#), "seller_id"),
        (with(r#""royalty_info":{}"#), "royalty_info"),
        (with(r#""settle_info":{"settle_detail_infos":[]}"#), "settle_info"),
        (with(r#""sub_merchant":{"merchant_id":"1"}"#), "sub_merchant"),
        (with(r#""total_amount":"0.01""#), "stands twice"),
        (with(r#""tot\u0061l_amount":"0.01""#), "stands twice"),
        (
            with(r#""extend_params":{"card_type":"1","card_type":"2"}"#),
            "stands twice",
        ),
        (plain.replace("\"7.10\"", "7.1e0"), "total_amount"),
        (plain.replace("7.10", "0"), "total_amount"),
        (plain.replace(SUBJECT, "\\ud800"), "surrogate"),
        (format!("{plain}{plain}"), "after the end"),
        (format!("{{\"goods_detail\":{}", "[".repeat(1000)), "32"),
    ];
    let sealed = own(plain.as_bytes());
    let mut flipped = sealed.clone();
    *flipped.last_mut().expect("octets") ^= 1;
    let closed = [
        STANDARD.encode(other(plain.as_bytes())),
        STANDARD.encode(&sealed[..sealed.len() - 1]),
        STANDARD.encode(&sealed[16..]),
        STANDARD.encode(&sealed[..8]),
        STANDARD.encode(flipped),
        STANDARD.encode([0; 16]),
        format!("*{}", STANDARD.encode(&sealed)),
        plain.clone(),
        STANDARD.encode(&plain),
        STANDARD.encode(own(b"[]")),
        STANDARD.encode(own(b"no JSON")),
        STANDARD.encode(own(&[b"\xef\xbb\xbf", plain.as_bytes()].concat())),
        STANDARD.encode(own(&[plain.as_bytes(), b"\xff"].concat())),
    ];
    let mut tried = 0;
    for form in FORMS {
        for (content, reason) in &inside {
            let said = shop
                .say(form, &STANDARD.encode(own(content.as_bytes())))
                .await
                .expect("answered");
            assert!(
                said.contains(reason) && said.contains("(C"),
                "{form:?} {content}: {said}"
            );
            tried += 1;
        }
        let mut words = BTreeSet::new();
        for text in &closed {
            words.insert(shop.say(form, text).await.expect("answered"));
            tried += 1;
        }
        assert!(
            words.len() == 1 && words.iter().all(|said| said.contains("(C80)")),
            "{form:?}: {words:?}"
        );
        let huge = with(&format!(r#""body":"{}""#, "x".repeat(50_000)));
        let said = shop
            .say(form, &STANDARD.encode(own(huge.as_bytes())))
            .await
            .expect("answered");
        assert!(said.contains("65536"), "{said}");
    }
    // Nobody but the merchant can try what opens: behind a signature of something else all ciphertext is alike.
    let good = shop.form(&STANDARD.encode(&sealed)).expect("signs");
    let mut words = BTreeSet::new();
    for text in [&sealed[..], &sealed[16..], &other(plain.as_bytes())[..], b""] {
        let put = |text: &[u8]| {
            form_urlencoded::byte_serialize(STANDARD.encode(text).as_bytes()).collect::<String>()
        };
        let forged = good.replace(&put(&sealed), &put(&own(text)));
        assert!(forged != good);
        let answer = shop.door.post(&forged).await.expect("answered");
        words.insert(String::from_utf8_lossy(&answer.body).into_owned());
    }
    assert!(
        words.len() == 1 && words.iter().all(|said| said.contains("isv.invalid-signature")),
        "{words:?}"
    );
    assert_eq!(shop.heard().await.expect("requests"), 0, "a channel heard of it");
    let own = entries(&yard.demo)
        .await
        .expect("a journal")
        .into_iter()
        .filter(|entry| {
            let refused = matches!(
                &entry.event,
                TradeEvent::GuardRefused { count: None, .. } | TradeEvent::Refused { .. }
            );
            refused && entry.merchant.is_some()
        });
    assert_eq!(own.count(), tried, "each one is on record against its merchant");
}

async fn create_point(yard: &Yard, step: &str, form: Form) -> Done {
    yard.restart_until(step).await?;
    let number = yard.demo.next_number();
    let said = Shop::of(yard)?.call(form, "precreate", &order(&number)).await;
    ensure!(said.is_err(), "answered although the proxy ended before");
    yard.stopped_and_started().await?;
    yard.keeps_its_word().await?;
    let shop = Shop::of(yard)?;
    for n in 0.. {
        match shop.call(form, "precreate", &order(&number)).await {
            Ok(_) => break,
            Err(error) if n == 100 => return Err(error.context("no outcome within 15 s")),
            Err(_) => sleep(Duration::from_millis(150)).await,
        }
    }
    let order = shop.is(&number, "awaiting_payment").await?;
    yard.paid_once(&order).await?;
    yard.told(id(&order)?, "payment.paid").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C98
async fn killed_between_every_two_steps_of_a_create_that_its_client_encrypted() {
    let options = Options {
        content_keys: true,
        ..Options::default()
    };
    let yard = Yard::with(options).await.expect("demo");
    for (n, step) in MUTATION.into_iter().enumerate() {
        create_point(&yard, step, FORMS[n % 2])
            .await
            .unwrap_or_else(|e| panic!("{step}: {e:#}"));
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (6, 6), "{books:?}");
}
