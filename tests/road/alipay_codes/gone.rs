//! An account that the files leave out while something is open there: a run that knew it brings that to its end, a run that
//! never did tells the merchant that nobody knows; nothing new goes there in either.

use super::*;
use std::fs;

/// The acquirer's and the operator's file as they were at first.
struct Files<'a> {
    yard: &'a Yard,
    account: String,
    first: [Value; 2],
    version: u64,
}

impl<'a> Files<'a> {
    fn of(yard: &'a Yard) -> anyhow::Result<Files<'a>> {
        let read = |name: &str| -> anyhow::Result<Value> {
            let file = yard.demo.place.dir.join(format!("registries/{name}.json"));
            Ok(serde_json::from_slice(&fs::read(file)?)?)
        };
        Ok(Files {
            yard,
            account: yard.demo.place.merchants[0].accounts.alipay.app_id.clone(),
            first: [read("acquirer-demo")?, read("operator")?],
            version: 1,
        })
    }

    /// Signs the next version of both, with the account or without.
    fn sign(&mut self, with: bool) -> Done {
        self.version += 1;
        let [mut acquirer, mut operator] = self.first.clone();
        for file in [&mut acquirer, &mut operator] {
            file["version"] = self.version.into();
        }
        for accounts in [
            &mut acquirer["merchants"][0]["accounts"],
            &mut operator["accounts"],
        ] {
            let accounts = accounts.as_array_mut().context("accounts")?;
            accounts.retain(|account| with || account["account"] != self.account.as_str());
        }
        let place = &self.yard.demo.place;
        place.sign_registry("acquirer-demo", &acquirer)?;
        place.sign_registry("operator", &operator)
    }

    /// The same, and waits until new orders fare so.
    async fn take(&mut self, with: bool) -> Done {
        self.sign(with)?;
        let wanted = if with { 201 } else { 403 };
        for _ in 0..200 {
            let answer = post(self.yard, "/v1/payments", &self.yard.body("alipay", 100)).await?;
            if answer.status == wanted {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("the files of version {} were not taken", self.version)
    }
}

async fn post(yard: &Yard, path: &str, body: &Value) -> anyhow::Result<Answer> {
    yard.merchant()?.ask("POST", path, Some(body)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C09
//= C82
async fn what_is_open_at_an_account_that_no_file_has_any_more_comes_to_an_end() {
    let options = Options {
        times: "silence_seconds = 2\n".into(),
        ..Options::default()
    };
    let yard = Yard::with(options).await.expect("demo");
    let mut files = Files::of(&yard).expect("files");
    charged_before_a_start_without_it(&yard, &mut files)
        .await
        .unwrap_or_else(|e| panic!("a charge, and a start: {e:#}"));
    while_running(&yard, &mut files)
        .await
        .unwrap_or_else(|e| panic!("while running: {e:#}"));
    refunded_before_a_start_without_it(&yard, &mut files)
        .await
        .unwrap_or_else(|e| panic!("a refund, and a start: {e:#}"));
    yard.demo.services.stop_proxy().await.expect("stopped");
    yard.demo.prove_journal().expect("the journal is whole");
}

/// Charged, the answer was lost with us, and the next run never knew the account.
async fn charged_before_a_start_without_it(yard: &Yard, files: &mut Files<'_>) -> Done {
    let till = Till::of(yard, false)?;
    let (number, code) = (yard.demo.next_number(), till.paying().await?);
    till.fault(&number, "notice", "drop").await?; // it could be faster than the end of this run
    yard.restart_until("after_send").await?;
    unanswered(till.pay_with(&number, &code, &[("time_expire", soon(6))]).await)?;
    yard.demo.services.proxy_ended().await?;
    files.sign(false)?;
    yard.start().await?;
    let order = till.until(&number, "unresolved").await?;
    yard.told(id(&order)?, "payment.unresolved").await?;
    files.take(true).await
}

/// Charged, and nobody told; the service is away for longer than the channel's window, and begins before its key folder is there.
/// One question would have said that it was paid, so nothing ends before it could be asked for as long again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C82
async fn a_start_before_the_keys_are_there_ends_nothing() {
    const SILENCE: Duration = Duration::from_secs(10);
    let options = Options {
        times: format!("silence_seconds = {}\n", SILENCE.as_secs()),
        ..Options::default()
    };
    let yard = Yard::with(options).await.expect("demo");
    let done = async {
        let till = Till::of(&yard, false)?;
        let (number, code) = (yard.demo.next_number(), till.paying().await?);
        till.fault(&number, "notice", "drop").await?;
        yard.restart_until("after_send").await?;
        unanswered(till.pay_with(&number, &code, &[("time_expire", soon(6))]).await)?;
        yard.demo.services.proxy_ended().await?;
        // Its time, and then the channel's window.
        tokio::time::sleep(SILENCE + Duration::from_secs(7)).await;
        let folder = yard.demo.place.dir.join("keys/alipay");
        let own = folder.join(&yard.demo.place.merchants[0].accounts.alipay.app_id);
        let away = yard.demo.place.dir.join("not-mounted");
        fs::rename(&own, &away).context("the account's keys")?;
        yard.start().await?;
        fs::rename(&away, &own)?;
        let order = till.until(&number, "paid").await?;
        yard.told(id(&order)?, "payment.paid").await
    };
    done.await.unwrap_or_else(|e: anyhow::Error| panic!("{e:#}"));
    yard.demo.services.stop_proxy().await.expect("stopped");
    yard.demo.prove_journal().expect("the journal is whole");
}

async fn while_running(yard: &Yard, files: &mut Files<'_>) -> Done {
    let till = Till::of(yard, false)?;
    let (paid, open) = (yard.paid("alipay", 500).await?, yard.placed("alipay", 510).await?);
    let mut body = yard.body("alipay", 520);
    body["pay_way"] = "micropay".into();
    body["auth_code"] = till.paying().await?.into();
    let charged = post(yard, "/v1/payments", &body).await?.json();
    ensure!(charged["state"] == "paid", "{charged}");
    let lost = yard.demo.next_number();
    till.fault(&lost, "create", "timeout_after").await?;
    till.fault(&lost, "query", "timeout_before").await?;
    till.refused(&till.pay(&lost, &till.paying().await?).await?, UNKNOWN)?;
    files.take(false).await?;
    till.until(&lost, "paid").await?;
    yard.pay(&open).await?;
    yard.until(id(&open)?, "payment", |o| o["state"] == "paid")
        .await?;
    yard.told(id(&open)?, "payment.paid").await?;
    let refund = post(
        yard,
        &format!("/v1/payments/{}/refunds", id(&paid)?),
        &json!({ "refund_no": "r1", "amount": 500 }),
    )
    .await?;
    ensure!(refund.status < 300, "{} {}", refund.status, refund.json());
    yard.until(id(&paid)?, "refund", |o| o["state"] == "refunded")
        .await?;
    let reverse = format!("/v1/payments/{}/reverse", id(&charged)?);
    let reverse = post(yard, &reverse, &json!({})).await?;
    ensure!(reverse.status < 300, "{} {}", reverse.status, reverse.json());
    yard.until(id(&charged)?, "reverse", |o| o["state"] == "reversed")
        .await?;
    files.take(true).await
}

/// A refund was on record and not sent, and the next run never knew the account.
async fn refunded_before_a_start_without_it(yard: &Yard, files: &mut Files<'_>) -> Done {
    let paid = yard.paid("alipay", 530).await?;
    yard.told(id(&paid)?, "payment.paid").await?;
    yard.restart_until("before_send").await?;
    let path = format!("/v1/payments/{}/refunds", id(&paid)?);
    unanswered(post(yard, &path, &json!({ "refund_no": "r2", "amount": 100 })).await)?;
    yard.demo.services.proxy_ended().await?;
    files.sign(false)?;
    yard.start().await?;
    let unresolved = |o: &Value| o["refunds"][0]["state"] == "unresolved";
    yard.until(id(&paid)?, "an end of its refund", unresolved).await?;
    yard.told(id(&paid)?, "refund.unresolved").await
}
