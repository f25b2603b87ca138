//! Channels whose orders are handed out and which have no close: the Baidu wallet, CCB, ICBC and CMB. The proxy ends between every two
//! steps of create, notice and, where there is one, refund.

use super::*;

/// Channel and way to pay.
const WAYS: [(&str, &str); 5] = [
    ("baidu", "page"),
    ("baidu", "wap"),
    ("ccb", "gateway"),
    ("icbc", "gateway"),
    ("cmb", "gateway"),
];

impl Yard {
    fn handed(&self, (channel, pay_way): (&str, &str), amount: u64) -> Value {
        let mut body = self.body(channel, amount);
        body["pay_way"] = pay_way.into();
        if ["ccb", "icbc", "cmb"].contains(&channel)
            && let Some(fields) = body.as_object_mut()
        {
            fields.remove("attach");
        }
        body
    }

    /// In the payer's browser.
    async fn opened(&self, way: (&str, &str), amount: u64) -> anyhow::Result<Value> {
        let answer = self
            .ask(
                &self.merchant()?,
                "POST",
                "/v1/payments",
                &self.handed(way, amount),
            )
            .await?;
        ensure!(
            answer.status == 201,
            "create answered {}: {}",
            answer.status,
            answer.json()
        );
        let order = answer.json();
        self.demo.open(&order).await?;
        Ok(order)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_handing_out() {
    let yard = Yard::open().await.expect("demo");
    for way in WAYS {
        for step in MUTATION {
            let body = yard.handed(way, 700);
            let said = create_by(&yard, step, &body, "call_up")
                .await
                .unwrap_or_else(|e| panic!("create {way:?} {step}: {e:#}"));
            say("create", way.0, step, &said);
        }
    }
    let books = yard.agree().await.expect("the books agree");
    let all = (WAYS.len() * MUTATION.len()) as u64;
    assert_eq!((books.orders as u64, books.paid as u64), (all, all), "{books:?}");
    println!("{books:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_a_notice_of_what_was_handed_out() {
    let yard = Yard::open().await.expect("demo");
    for way in [WAYS[0], WAYS[2], WAYS[3], WAYS[4]] {
        for step in NOTICE {
            let order = yard.opened(way, 500).await.expect("opened");
            let said = notice_of(&yard, &order, step)
                .await
                .unwrap_or_else(|e| panic!("notice {way:?} {step}: {e:#}"));
            say("notice", way.0, step, &said);
        }
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (16, 16), "{books:?}");
    println!("{books:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_a_refund_at_the_baidu_wallet() {
    let yard = Yard::open().await.expect("demo");
    for (n, step) in MUTATION.into_iter().enumerate() {
        let order = yard.opened(WAYS[0], 900).await.expect("opened");
        yard.pay(&order).await.expect("paid");
        let order = yard
            .until(id(&order).expect("id"), "payment", |o| o["state"] == "paid")
            .await
            .expect("paid");
        // By turns the merchant repeats, or says nothing and the sweep has to bring it to its end.
        let said = refund_of(&yard, &order, step, n % 2 == 0)
            .await
            .unwrap_or_else(|e| panic!("refund baidu {step}: {e:#}"));
        say("refund", "baidu", step, &said);
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.refunded_fen), (6, 2400), "{books:?}");
    println!("{books:?}");
}

/// What one client of the load does with what is handed out, whatever happens to the proxy meanwhile: some are never opened, the rest
/// is paid, told of or not.
pub(super) async fn custom(yard: &Yard, dice: &mut Dice) -> anyhow::Result<()> {
    let way = WAYS[dice.below(WAYS.len() as u64) as usize];
    let body = yard.handed(way, 100 + dice.below(900));
    // A repeat hands the same order out again.
    let handed_out = |a: &Answer| a.status < 300 && a.json()["call_up"].is_object();
    let order = persist(yard, "POST", "/v1/payments", &body, handed_out).await?;
    if dice.below(4) == 0 {
        return Ok(());
    }
    yard.demo.open(&order).await?;
    // Nobody can ask ICBC: there a notice is all there is.
    let notify = way.0 == "icbc" || dice.below(3) != 0;
    let pay =
        json!({ "channel": way.0, "out_trade_no": order["number"], "outcome": "paid", "notify": notify });
    yard.demo.control("/control/pay", &pay).await?;
    let get = format!("/v1/payments/{}", id(&order)?);
    let paid = |a: &Answer| a.status == 200 && a.json()["state"] == "paid";
    persist(yard, "GET", &get, &Value::Null, paid).await.map(drop)
}
