//! WeChat Pay changes from platform certificates to its public key (公钥模式) while the service runs, with orders open, and
//! back: what was placed before is told, asked for and refunded after; either key counts, and nothing else does.

use anyhow::{Context, bail, ensure};
use sandbox::demo::{
    Demo,
    door::WechatDoor,
    http::{Answer, Client},
    merchant::Merchant,
    place::Options,
    shop::Came,
};
use serde_json::{Value, json};
use std::{fs, path::PathBuf, time::Duration};
use tokio::time::sleep;

type Done = anyhow::Result<()>;

/// The second merchant, whose accounts work with certificates.
struct Yard {
    demo: Demo,
    shop: Merchant,
    door: WechatDoor,
}

impl Yard {
    async fn stage(&self, stage: &str) -> Done {
        let body = json!({ "channel": "wechat", "account": self.door.account.mchid, "stage": stage });
        self.demo.control("/control/keys", &body).await.map(drop)
    }

    /// What the acquirer's file says of the account's key.
    fn register(&self, platform: Option<&str>) -> Done {
        let file = self.demo.place.dir.join("registries/acquirer-demo.json");
        let mut registry: Value = serde_json::from_slice(&fs::read(file)?)?;
        registry["version"] = json!(registry["version"].as_u64().context("a version")? + 1);
        let accounts = registry["merchants"][1]["accounts"]
            .as_array_mut()
            .context("accounts")?;
        let account = accounts
            .iter_mut()
            .find(|account| account["account"] == self.door.account.mchid)
            .context("the account")?;
        account["platform"] = json!(platform);
        self.demo.place.sign_registry("acquirer-demo", &registry)
    }

    fn key_file(&self) -> PathBuf {
        let account = &self.door.account;
        let folder = self.demo.place.dir.join("keys/wechat").join(&account.mchid);
        folder.join(format!("platform/{}.pem", account.public_key_id))
    }

    async fn place(&self) -> anyhow::Result<Value> {
        let body = json!({ "order_no": self.demo.next_number(), "channel": "wechat", "pay_way": "native", "amount": 300, "description": "茶" });
        let answer = self.shop.ask("POST", "/v1/payments", Some(&body)).await?;
        ensure!(
            answer.status == 201,
            "create answered {} {}",
            answer.status,
            answer.json()
        );
        Ok(answer.json())
    }

    async fn place_by_sdk(&self) -> anyhow::Result<String> {
        let (number, account) = (self.demo.next_number(), &self.door.account);
        let order = json!({ "appid": account.appid, "mchid": account.mchid, "description": "tea", "out_trade_no": number, "notify_url": self.door.notify_url, "amount": { "total": 300 } });
        let placed = self
            .door
            .ask("POST", "/v3/pay/transactions/native", Some(&order))
            .await?;
        ensure!(
            placed.status == 200,
            "create answered {} {}",
            placed.status,
            placed.json()
        );
        Ok(number)
    }

    async fn pay(&self, number: &str) -> Done {
        let body =
            json!({ "channel": "wechat", "out_trade_no": number, "outcome": "paid", "payer": "oChange" });
        self.demo.control("/control/pay", &body).await.map(drop)
    }

    /// Paid, told, asked for at the channel, and a part of it refunded, whatever signs.
    async fn lives(&self, order: &Value) -> Done {
        let id = order["id"].as_str().context("an id")?;
        self.pay(order["number"].as_str().context("a number")?).await?;
        self.shop.until(id, "payment", |o| o["state"] == "paid").await?;
        self.asked(id).await?;
        let refund = json!({ "refund_no": "r1", "amount": 100 });
        let path = format!("/v1/payments/{id}/refunds");
        let answer = self.shop.ask("POST", &path, Some(&refund)).await?;
        ensure!(
            answer.status < 300,
            "refund answered {} {}",
            answer.status,
            answer.json()
        );
        self.shop
            .until(id, "refund", |o| o["refunds"][0]["state"] == "succeeded")
            .await
            .map(drop)
    }

    /// The channel is asked for the payer, live.
    async fn asked(&self, id: &str) -> Done {
        let path = format!("/v1/payments/{id}?expand=payer");
        let answer = self.shop.ask("GET", &path, None).await?.json();
        ensure!(
            answer["payer"]["openid"] == "oChange",
            "the channel's answer did not count: {answer}"
        );
        Ok(())
    }

    /// The serial that the proxy's requests ask for, in the latest create.
    async fn asks_for(&self) -> anyhow::Result<Option<String>> {
        self.place().await?;
        let all = self.demo.channel_requests().await?;
        let all = all["requests"].as_array().context("requests")?;
        let last = all
            .iter()
            .rfind(|r| r["operation"] == "create")
            .context("a create")?;
        let headers = last["headers"].as_array().context("headers")?;
        let found = headers.iter().find(|h| h[0] == "wechatpay-serial");
        Ok(found.and_then(|h| h[1].as_str()).map(str::to_owned))
    }

    async fn until_it_asks_for(&self, wanted: Option<&str>) -> Done {
        for _ in 0..100 {
            if self.asks_for().await?.as_deref() == wanted {
                return Ok(());
            }
            sleep(Duration::from_millis(200)).await;
        }
        bail!("after 20 s its requests do not ask for {wanted:?}")
    }

    /// Each attempt at telling of an order, as the channel saw it: what signed and whether it was acknowledged.
    async fn attempts(&self, number: &str) -> anyhow::Result<Vec<Value>> {
        let all = self.demo.channel_orders().await?;
        let all = all["orders"].as_array().context("orders")?;
        let order = all
            .iter()
            .find(|o| o["out_trade_no"] == *number)
            .context("the order")?;
        let notices = order["notices"].as_array().context("notices")?;
        Ok(notices
            .iter()
            .filter_map(|n| n["attempts"].as_array())
            .flatten()
            .cloned()
            .collect())
    }

    /// A relayed notice of this order, as WeChat wrote it.
    async fn relayed(&self, count: usize) -> anyhow::Result<Vec<Came>> {
        let path = format!("/relay/wechat/{}", self.shop.id());
        for _ in 0..150 {
            let came = self.demo.shop().came(&path);
            if came.len() >= count {
                return Ok(came);
            }
            sleep(Duration::from_millis(100)).await;
        }
        bail!(
            "{} notices were relayed within 15 s, not {count}",
            self.demo.shop().came(&path).len()
        )
    }

    /// Posts that notice again, under this serial.
    async fn again(&self, came: &Came, serial: &str) -> anyhow::Result<u16> {
        let at = ([127, 0, 0, 1], self.demo.place.ports.notify).into();
        let headers: Vec<(&str, &str)> = came
            .headers
            .iter()
            .filter(|(name, _)| name.as_str().starts_with("wechatpay-") || *name == "content-type")
            .map(|(name, value)| match name.as_str() {
                "wechatpay-serial" => Ok((name.as_str(), serial)),
                name => Ok((name, value.to_str()?)),
            })
            .collect::<anyhow::Result<_>>()?;
        let target = format!("/n/wechat/{}", self.door.account.mchid);
        let answer = Client::tls(at, self.demo.ca())?
            .send("POST", &target, &headers, &came.body)
            .await?;
        Ok(answer.status)
    }
}

fn serial(answer: &Answer) -> Option<&str> {
    answer.headers.get("wechatpay-serial")?.to_str().ok()
}

/// Of a relayed notice: the one key's counts under its own serial, and never under the other's. The keys take turns over
/// all that WeChat tells, notices of refunds among it, so orders are paid until both have signed one that is relayed.
async fn either_key_counts_and_never_for_the_other(yard: &Yard) -> Done {
    let account = &yard.door.account;
    let (certificate, public) = (account.platform_serial.as_str(), account.public_key_id.as_str());
    let (mut seen, mut known, mut wanted) = ((false, false), 0, 2);
    loop {
        let relayed = yard.relayed(wanted).await?;
        for came in &relayed[known..] {
            let named = came.headers.get("wechatpay-serial").context("a serial")?;
            let named = named.to_str()?;
            let other = if named == public { certificate } else { public };
            seen = (seen.0 | (named == public), seen.1 | (named == certificate));
            ensure!(
                yard.again(came, named).await? == 200,
                "a repeat by {named} was refused"
            );
            ensure!(
                yard.again(came, other).await? == 401,
                "a signature by {named} counts for {other}"
            );
        }
        if seen == (true, true) {
            return Ok(());
        }
        ensure!(relayed.len() < 20, "one key signed all: {seen:?}");
        (known, wanted) = (relayed.len(), relayed.len() + 1);
        yard.pay(&yard.place_by_sdk().await?).await?;
    }
}

async fn a_forged_notice_is_refused(yard: &Yard) -> Done {
    let order = yard.place().await?;
    let number = order["number"].as_str().context("a number")?;
    let fault = json!({ "channel": "wechat", "operation": "notice", "kind": "wrong_signature", "out_trade_no": number });
    yard.demo.control("/control/fault", &fault).await?;
    yard.lives(&order).await?;
    let attempts = yard.attempts(number).await?;
    let first = attempts.first().context("an attempt")?;
    ensure!(
        first["signature"] == "wrong" && first["acknowledged"] == false,
        "{first}"
    );
    Ok(())
}

//= C91
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_the_public_key_and_back() -> Done {
    let dir = tempfile::tempdir()?;
    let options = Options {
        desk: false,
        only: vec!["wechat"],
        ..Options::default()
    };
    let demo = Demo::start(dir.path(), &options, true).await?;
    let door = WechatDoor::open(&demo.place, demo.ca(), &demo.place.merchants[1])?;
    let yard = Yard {
        shop: demo.merchant(1)?,
        door,
        demo,
    };
    let public = yard.door.account.public_key_id.clone();
    let certificate = yard.door.account.platform_serial.clone();
    let key = fs::read(
        yard.demo
            .place
            .material
            .dir
            .join(&yard.door.account.public_key_file),
    )?;

    // Before: certificates only. The demo lays the public key down for this account too.
    fs::remove_file(yard.key_file())?;
    yard.stage("certificate").await?;
    let (early, closed) = (yard.place().await?, yard.place().await?);
    let by_sdk = (yard.place_by_sdk().await?, yard.place_by_sdk().await?);
    ensure!(yard.asks_for().await?.is_none(), "a public key was asked for");

    // The registry names the public key before the key is here: orders go on as they were.
    yard.register(Some(&public))?;
    sleep(Duration::from_millis(300)).await;
    ensure!(
        yard.asks_for().await?.is_none(),
        "a key was asked for that is not here"
    );
    let laid = yard.key_file();
    // Half of it, as somebody might be copying: the others stay in use.
    fs::write(&laid, &key[..key.len() / 2])?;
    sleep(Duration::from_millis(300)).await;
    ensure!(yard.asks_for().await?.is_none(), "half a key was taken");
    fs::write(&laid, &key)?;
    yard.stage("mixed").await?;
    yard.until_it_asks_for(Some(&public)).await?;

    // Under way: notices by the one and the other; an SDK that pins certificates is answered as it asked.
    yard.lives(&early).await?;
    let late = yard.place().await?;
    yard.pay(&by_sdk.0).await?;
    yard.pay(&by_sdk.1).await?;
    let query = format!(
        "/v3/pay/transactions/out-trade-no/{}?mchid={}",
        by_sdk.0, yard.door.account.mchid
    );
    let answer = yard.door.ask("GET", &query, None).await?;
    ensure!(
        serial(&answer) == Some(&certificate),
        "the SDK's mode was changed: {:?}",
        serial(&answer)
    );
    either_key_counts_and_never_for_the_other(&yard).await?;
    a_forged_notice_is_refused(&yard).await?;

    // Done: the public key signs everything, there are no certificates to be had.
    yard.stage("public_key").await?;
    yard.lives(&late).await?;
    yard.lives(&yard.place().await?).await?;
    let close = format!("/v1/payments/{}/close", closed["id"].as_str().context("an id")?);
    let answer = yard.shop.ask("POST", &close, Some(&json!({}))).await?;
    ensure!(answer.json()["state"] == "closed", "{}", answer.json());
    let answer = yard.door.ask("GET", &query, None).await?;
    ensure!(
        serial(&answer) == Some(&public) && answer.status == 200,
        "{:?}",
        serial(&answer)
    );
    a_forged_notice_is_refused(&yard).await?;
    let open = yard.place().await?;

    // And back: the registry first, the key stays while notices by it may come.
    yard.stage("mixed").await?;
    yard.register(None)?;
    yard.until_it_asks_for(None).await?;
    yard.lives(&open).await?;
    yard.lives(&yard.place().await?).await?;
    fs::remove_file(&laid)?;
    the_key_that_is_gone_opens_nothing(&yard).await
}

async fn the_key_that_is_gone_opens_nothing(yard: &Yard) -> Done {
    let came = yard.relayed(2).await?;
    let named = |came: &Came| Some(came.headers.get("wechatpay-serial")?.to_str().ok()?.to_owned());
    let public = yard.door.account.public_key_id.clone();
    let by_public = came.iter().find(|came| named(came).as_ref() == Some(&public));
    let by_public = by_public.context("a notice by the public key")?;
    for _ in 0..100 {
        if yard.again(by_public, &public).await? == 401 {
            yard.stage("certificate").await?;
            return yard.lives(&yard.place().await?).await;
        }
        sleep(Duration::from_millis(200)).await;
    }
    bail!("what the public key signed still counts 20 s after it was taken away")
}
