//! The canary buyer who shows a payment code; and values that live, which the search must find.

use super::*;

impl Run {
    /// While a channel keeps a request waiting, its buyer is in memory, composed or passed through: the scan finds it,
    /// so that it can be believed when it finds nothing.
    pub(super) async fn living(&mut self, pid: u32) -> anyhow::Result<()> {
        // A busy machine may look once while nothing is there yet, or no more.
        let mut looked = Looked::default();
        for _ in 0..TRIES {
            looked = self.living_by_the_unified_api(pid).await?;
            if looked.hidden || !looked.found.is_empty() {
                break;
            }
        }
        looked.must_be_found("a living buyer of the unified API")?;
        looked = Looked::default();
        for _ in 0..TRIES {
            looked = self.living_by_a_client(pid).await?;
            if looked.hidden || !looked.found.is_empty() {
                break;
            }
        }
        looked.must_be_found("a living buyer that passes through")
    }

    async fn living_by_the_unified_api(&mut self, pid: u32) -> anyhow::Result<Looked> {
        self.no_answer_to_the_next().await?;
        let body = self.wechat_buyer();
        let openid = body["payer"]["openid"].as_str().context("openid")?.to_owned();
        let scanner = Scanner::new(&Canaries(vec![("living openid".into(), openid)]));
        let (answer, looked) = until_answered(self.create(&body), &scanner, pid).await?;
        ensure!(answer.status == 202, "a request without an answer is unknown");
        Ok(looked)
    }

    async fn no_answer_to_the_next(&self) -> anyhow::Result<()> {
        let fault =
            json!({ "channel": "wechat", "operation": "create", "kind": "timeout_before", "count": 1 });
        self.control("/control/fault", &fault).await.map(drop)
    }

    async fn living_by_a_client(&mut self, pid: u32) -> anyhow::Result<Looked> {
        self.no_answer_to_the_next().await?;
        let account = self.demo.place.merchants[0].accounts.wechat.clone();
        let signer = Signer::open(&self.demo, &account.key_file)?;
        let openid = self.canaries.text("living native openid");
        let number = self.demo.next_number();
        self.asked.push(number.clone());
        let order = json!({
            "appid": account.appid, "mchid": account.mchid, "description": "x", "out_trade_no": number,
            "notify_url": format!("https://127.0.0.1:{}/n/wechat/{}", self.demo.place.ports.notify, account.mchid),
            "amount": { "total": 1, "currency": "CNY" }, "payer": { "openid": openid },
        }).to_string();
        let scanner = Scanner::new(&Canaries(vec![("living native openid".into(), openid)]));
        let asked = self.wechat(&account, &signer, "POST", "/v3/pay/transactions/jsapi", &order);
        let (answer, looked) = until_answered(asked, &scanner, pid).await?;
        ensure!(
            answer.status == 500,
            "a native request without an answer is unknown"
        );
        Ok(looked)
    }

    /// Payment codes (class C3). None is carried yet, so each is refused; once it is answered and its connection closed
    /// it is gone. These come last, so that nothing else has written over what they may leave behind.
    pub(super) async fn codes(&mut self, pid: u32) -> anyhow::Result<()> {
        let waiting = self
            .canaries
            .digits("C3 auth_code of an unfinished request", "13", 16);
        let body = format!("{{\"auth_code\":\"{waiting}\",\"order_no\":\"");
        let head = format!(
            "POST /v1/payments HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len() + 100
        );
        let tcp = tokio::net::TcpStream::connect(local(self.demo.place.ports.api)).await?;
        let connector = tokio_rustls::TlsConnector::from(certs::tls::client(self.demo.ca(), None)?);
        let mut unfinished = connector
            .connect(
                rustls::pki_types::ServerName::from(std::net::IpAddr::from([127, 0, 0, 1])),
                tcp,
            )
            .await?;
        unfinished.write_all(format!("{head}{body}").as_bytes()).await?;
        unfinished.flush().await?;
        let scanner = Scanner::new(&Canaries(vec![("living auth_code".into(), waiting)]));
        // The rest of it is waited for, for ten seconds.
        let began = Instant::now();
        let mut looked = scanner.memory(pid)?;
        while !looked.hidden && looked.found.is_empty() && began.elapsed() < Duration::from_secs(9) {
            sleep(Duration::from_millis(100)).await;
            looked = scanner.memory(pid)?;
        }
        looked.must_be_found("a living payment code")?;
        drop(unfinished);
        let number = self.demo.next_number();
        let base = json!({ "order_no": number, "channel": "wechat", "pay_way": "native", "amount": 1, "description": "x" });
        let c = &mut self.canaries;
        let codes = [
            json!({ "auth_code": c.digits("C3 auth_code", "13", 16) }),
            json!({ "payer": { "auth_code": c.digits("C3 auth_code in payer", "28", 16) } }),
        ];
        let (wechat, alipay) = (
            self.demo.place.merchants[0].accounts.wechat.clone(),
            self.demo.place.merchants[0].accounts.alipay.clone(),
        );
        let native = json!({ "appid": wechat.appid, "mchid": wechat.mchid, "auth_code": c.digits("native C3 auth_code", "13", 16) });
        let scene = json!({ "out_trade_no": number, "scene": "bar_code", "auth_code": c.digits("alipay C3 auth_code", "28", 16), "subject": "x", "total_amount": "1.00" });
        for code in codes {
            let mut body = base.clone();
            if let Some((body, code)) = body.as_object_mut().zip(code.as_object()) {
                body.extend(code.clone());
            }
            let refused = self
                .send(body.to_string().as_bytes(), true, "/v1/payments")
                .await?;
            ensure!(
                refused.status == 400 || refused.status == 422,
                "a payment code was answered {}: {}",
                refused.status,
                refused.json()
            );
        }
        let signer = Signer::open(&self.demo, &wechat.key_file)?;
        let refused = self
            .wechat(
                &wechat,
                &signer,
                "POST",
                "/v3/pay/transactions/codepay",
                &native.to_string(),
            )
            .await?;
        ensure!(
            (400..500).contains(&refused.status),
            "a native payment code was answered {}: {}",
            refused.status,
            refused.json()
        );
        let signer = Signer::open(&self.demo, &alipay.private_key_file)?;
        // What an SDK charges passes through: the code is in memory for the one call and nowhere afterwards.
        let charged = self
            .alipay(&alipay, &signer, "alipay.trade.pay", None, &scene)
            .await?;
        ensure!(
            charged.json().to_string().contains("\"10000\""),
            "a native payment code was answered {}",
            charged.json()
        );
        self.scanned().await?;
        sleep(Duration::from_secs(1)).await;
        let codes = Canaries(
            self.canaries
                .0
                .iter()
                .filter(|(name, _)| name.contains("C3"))
                .cloned()
                .collect(),
        );
        ensure!(
            codes.0.len() == 5 + 3 * SCANNED.len(),
            "payment codes were sent: {}",
            codes.0.len()
        );
        let (scanner, began) = (Scanner::new(&codes), Instant::now());
        let mut looked = scanner.memory(pid)?;
        while !looked.found.is_empty() && began.elapsed() < Duration::from_secs(10) {
            sleep(Duration::from_millis(250)).await; // a connection's own end may wait for a busy machine
            looked = scanner.memory(pid)?;
        }
        looked.must_be_clean("memory of guandao, for C3, after the answers")
    }
}

/// What becomes of codes that are taken: the fault of the charging call, what the payer does, the answer.
const SCANNED: [(&str, &str, u16); 6] = [
    ("", "paid", 201),
    ("", "declined", 422),
    ("", "late", 202),
    ("timeout_after", "paid", 202),
    ("garbage", "paid", 202),
    ("status_5xx", "paid", 202),
];

impl Run {
    /// Codes that go to the channel, each over a connection of its own, with every kind of answer.
    //= C32
    pub(super) async fn scanned(&mut self) -> anyhow::Result<()> {
        let all = [("wechat", "13", 16), ("alipay", "28", 16), ("unionpay", "62", 17)]
            .into_iter()
            .flat_map(|channel| SCANNED.map(|scanned| (channel, scanned)));
        for ((channel, begin, count), (fault, will, status)) in all {
            let number = self.demo.next_number();
            let code = self
                .canaries
                .digits(&format!("C3 auth_code, {channel} {will} {fault}"), begin, count);
            self.control(
                "/control/pay",
                &json!({ "channel": channel, "auth_code": code, "outcome": will }),
            )
            .await?;
            for (operation, kind) in [("create", fault), ("notice", "drop")]
                .into_iter()
                .filter(|(_, kind)| !fault.is_empty() && !kind.is_empty())
            {
                self.control("/control/fault", &json!({ "channel": channel, "operation": operation, "kind": kind, "out_trade_no": number })).await?;
            }
            let body = json!({ "order_no": number, "pay_way": "micropay", "amount": 1, "description": "x", "auth_code": code, "client_ip": "203.0.113.7" });
            let answer = self
                .send(body.to_string().as_bytes(), true, "/v1/payments")
                .await?;
            // UnionPay's answer says "accepted", and no more.
            let open = channel == "unionpay" && will == "paid" && answer.status == 202;
            ensure!(
                answer.status == status || open,
                "{channel} {will} {fault}: {} {}",
                answer.status,
                answer.json()
            );
        }
        Ok(())
    }
}

/// So often is looked for what lives for a moment.
const TRIES: usize = 5;

/// Looks again and again while a request is under way, until it is found or answered.
async fn until_answered(
    asked: impl Future<Output = anyhow::Result<Answer>>,
    scanner: &Scanner,
    pid: u32,
) -> anyhow::Result<(Answer, Looked)> {
    let looked = tokio::sync::Mutex::new(Looked::default());
    let look = async {
        loop {
            sleep(Duration::from_millis(50)).await;
            let now = scanner.memory(pid)?;
            let over = now.hidden || !now.found.is_empty();
            *looked.lock().await = now;
            if over {
                return std::future::pending::<anyhow::Result<()>>().await;
            }
        }
    };
    let answer = tokio::select! {
        answer = asked => answer?,
        failed = look => return failed.and(Err(anyhow::anyhow!("the look ended"))),
    };
    Ok((answer, looked.into_inner()))
}
