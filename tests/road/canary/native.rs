//! The canary buyer of a merchant with SDKs of its own, and in the channels' notices.

use super::*;

impl Run {
    /// The official SDKs' own requests, signed with the merchant's own keys.
    pub(super) async fn pass_through(&mut self) -> anyhow::Result<()> {
        let account = self.demo.place.merchants[0].accounts.wechat.clone();
        let signer = Signer::open(&self.demo, &account.key_file)?;
        let number = self.demo.next_number();
        let c = &mut self.canaries;
        let order = json!({
            "appid": account.appid, "mchid": account.mchid, "description": c.odd_text("native description"), "out_trade_no": number,
            "attach": c.odd_text("native attach"), "notify_url": format!("https://127.0.0.1:{}/n/wechat/{}", self.demo.place.ports.notify, account.mchid),
            "amount": { "total": 770, "currency": "CNY" }, "payer": { "openid": c.text("native openid") },
            "detail": { "goods_detail": [{ "merchant_goods_id": "g", "goods_name": c.text("native goods name"), "quantity": 1, "unit_price": 770 }] },
            "scene_info": { "payer_client_ip": c.address("native payer_client_ip"), "device_id": c.text("native device_id"), "store_info": { "id": "1", "name": c.text("native store name") } },
        });
        let payer = c.text("openid of a relayed notice");
        let refund = json!({ "out_trade_no": number, "out_refund_no": format!("{number}r"), "reason": c.odd_text("native reason"), "amount": { "refund": 70, "total": 770, "currency": "CNY" } });
        let unknown = json!({ "appid": account.appid, "mchid": account.mchid, "out_trade_no": number, "buyer": { c.text("native unknown name"): c.odd_text("native unknown value") } });
        let placed = self
            .wechat(
                &account,
                &signer,
                "POST",
                "/v3/pay/transactions/jsapi",
                &order.to_string(),
            )
            .await?;
        ensure!(
            placed.status == 200,
            "a native order answered {}: {}",
            placed.status,
            placed.json()
        );
        self.control(
            "/control/pay",
            &json!({ "channel": "wechat", "out_trade_no": number, "outcome": "paid", "payer": payer }),
        )
        .await?;
        for _ in 0..400 {
            if !self.demo.shop().came("/relay/wechat/").is_empty() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        ensure!(
            !self.demo.shop().came("/relay/wechat/").is_empty(),
            "the notice was not relayed"
        );
        let asked = self
            .wechat(
                &account,
                &signer,
                "GET",
                &format!(
                    "/v3/pay/transactions/out-trade-no/{number}?mchid={}",
                    account.mchid
                ),
                "",
            )
            .await?;
        ensure!(
            asked.json()["payer"]["openid"] == payer.as_str(),
            "a native query answered {}",
            asked.json()
        );
        let back = self
            .wechat(
                &account,
                &signer,
                "POST",
                "/v3/refund/domestic/refunds",
                &refund.to_string(),
            )
            .await?;
        ensure!(
            back.status == 200,
            "a native refund answered {}: {}",
            back.status,
            back.json()
        );
        let refused = self
            .wechat(
                &account,
                &signer,
                "POST",
                "/v3/pay/transactions/native",
                &unknown.to_string(),
            )
            .await?;
        ensure!(
            (400..500).contains(&refused.status),
            "an unknown native field was taken: {} {}",
            refused.status,
            refused.json()
        );
        self.native_alipay().await
    }

    pub(super) async fn wechat(
        &self,
        account: &sandbox::material::WechatAccount,
        signer: &Signer,
        method: &str,
        target: &str,
        body: &str,
    ) -> anyhow::Result<Answer> {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)?
            .as_secs();
        let mut random = [0; 16];
        getrandom(&mut random);
        let nonce = hex::encode(random);
        let signature = signer.sign(&format!("{method}\n{target}\n{now}\n{nonce}\n{body}\n"))?;
        let authorization = format!(
            "WECHATPAY2-SHA256-RSA2048 mchid=\"{}\",nonce_str=\"{nonce}\",signature=\"{signature}\",timestamp=\"{now}\",serial_no=\"{}\"",
            account.mchid, account.serial,
        );
        let client = Client::tls(local(self.demo.place.ports.wechat), self.demo.ca())?;
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("accept", "application/json"),
            ("user-agent", "canary"),
        ];
        client.send(method, target, &headers, body.as_bytes()).await
    }

    pub(super) async fn native_alipay(&mut self) -> anyhow::Result<()> {
        let account = self.demo.place.merchants[0].accounts.alipay.clone();
        let signer = Signer::open(&self.demo, &account.private_key_file)?;
        let number = self.demo.next_number();
        let c = &mut self.canaries;
        let buyer = c.digits("native buyer_id", "2088", 12);
        let order = json!({
            "out_trade_no": number, "total_amount": "6.60", "subject": c.odd_text("native subject"), "body": c.odd_text("native body"), "passback_params": c.text("native passback"),
            "seller_id": account.seller_id, "buyer_id": buyer, "product_code": "JSAPI_PAY", "op_app_id": account.app_id,
            "goods_detail": [{ "goods_id": "g", "goods_name": c.text("native alipay goods"), "quantity": 1, "price": "6.60" }],
        });
        let payer = c.digits("buyer_id of a relayed notice", "2088", 12);
        let refund = json!({ "out_trade_no": number, "refund_amount": "1.00", "out_request_no": "r1", "refund_reason": c.odd_text("native refund_reason") });
        let unknown = json!({ "out_trade_no": number, "subject": "x", "total_amount": "1.00", c.text("alipay unknown name"): c.odd_text("alipay unknown value") });
        let notify = format!(
            "https://127.0.0.1:{}/n/alipay/{}",
            self.demo.place.ports.notify, account.app_id
        );
        let placed = self
            .alipay(&account, &signer, "alipay.trade.create", Some(&notify), &order)
            .await?;
        ensure!(
            placed.json()["alipay_trade_create_response"]["code"] == "10000",
            "a native order answered {}",
            placed.json()
        );
        self.control(
            "/control/pay",
            &json!({ "channel": "alipay", "out_trade_no": number, "outcome": "paid", "payer": payer }),
        )
        .await?;
        for _ in 0..400 {
            if !self.demo.shop().came("/relay/alipay/").is_empty() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        ensure!(
            !self.demo.shop().came("/relay/alipay/").is_empty(),
            "the notice was not relayed"
        );
        let asked = self
            .alipay(
                &account,
                &signer,
                "alipay.trade.query",
                None,
                &json!({ "out_trade_no": number }),
            )
            .await?;
        ensure!(
            asked.json()["alipay_trade_query_response"]
                .to_string()
                .contains(&payer),
            "a native query answered {}",
            asked.json()
        );
        if let Some(logon) = asked.json()["alipay_trade_query_response"]["buyer_logon_id"]
            .as_str()
            .filter(|l| l.len() >= 2 * PART)
        {
            self.canaries.keep("alipay logon id", logon.to_owned());
        }
        let back = self
            .alipay(&account, &signer, "alipay.trade.refund", None, &refund)
            .await?;
        ensure!(
            back.json()["alipay_trade_refund_response"]["code"] == "10000",
            "a native refund answered {}",
            back.json()
        );
        let refused = self
            .alipay(&account, &signer, "alipay.trade.precreate", None, &unknown)
            .await?;
        ensure!(
            !refused.json().to_string().contains("\"10000\""),
            "an unknown native field was taken: {}",
            refused.json()
        );
        self.notices(&account).await
    }

    pub(super) async fn alipay(
        &self,
        account: &sandbox::material::AlipayAccount,
        signer: &Signer,
        method: &str,
        notify: Option<&str>,
        content: &Value,
    ) -> anyhow::Result<Answer> {
        let mut parameters = vec![
            ("app_id", account.app_id.clone()),
            ("biz_content", content.to_string()),
            ("charset", "utf-8".into()),
            ("format", "JSON".into()),
            ("method", method.into()),
            ("sign_type", "RSA2".into()),
            ("timestamp", china_now()?),
            ("version", "1.0".into()),
        ];
        parameters.extend(notify.map(|url| ("notify_url", url.to_owned())));
        parameters.sort();
        let text = parameters
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect::<Vec<_>>()
            .join("&");
        parameters.push(("sign", signer.sign(&text)?));
        let client = Client::tls(local(self.demo.place.ports.alipay), self.demo.ca())?;
        let headers = [
            ("content-type", "application/x-www-form-urlencoded;charset=utf-8"),
            ("user-agent", "canary"),
        ];
        client
            .send("POST", "/gateway.do", &headers, form(&parameters).as_bytes())
            .await
    }

    /// Notices that are forged, or true and not to be read.
    pub(super) async fn notices(&mut self, account: &sandbox::material::AlipayAccount) -> anyhow::Result<()> {
        let place = &self.demo.place;
        let client = Client::tls(local(place.ports.notify), self.demo.ca())?;
        let forged = json!({ "id": self.canaries.text("forged notice"), "resource": { "ciphertext": self.canaries.text("forged ciphertext") } }).to_string();
        let path = format!("/n/wechat/{}", place.merchants[0].accounts.wechat.mchid);
        ensure!(
            client
                .send(
                    "POST",
                    &path,
                    &[("content-type", "application/json")],
                    forged.as_bytes()
                )
                .await?
                .status
                >= 400,
            "a forged notice was taken"
        );
        let signer = Signer::open(&self.demo, &place.merchants[0].accounts.channel_keys.alipay)?;
        let c = &mut self.canaries;
        for amount in ["6.60".to_owned(), c.text("amount of a true notice")] {
            let mut parameters = vec![
                ("app_id", account.app_id.clone()),
                ("buyer_id", c.digits("buyer_id of a true notice", "2088", 12)),
                ("buyer_logon_id", c.odd_text("logon id of a true notice")),
                ("charset", "utf-8".into()),
                ("notify_id", c.text("notify id")),
                ("notify_time", china_now()?),
                ("notify_type", "trade_status_sync".into()),
                ("out_trade_no", self.demo.next_number()),
                ("seller_id", account.seller_id.clone()),
                ("total_amount", amount),
                ("trade_no", "2026112222001234567890".into()),
                ("trade_status", "TRADE_SUCCESS".into()),
                ("gmt_payment", china_now()?),
                ("version", "1.0".into()),
            ];
            parameters.sort();
            let text = parameters
                .iter()
                .map(|(n, v)| format!("{n}={v}"))
                .collect::<Vec<_>>()
                .join("&");
            parameters.push(("sign", signer.sign(&text)?));
            parameters.push(("sign_type", "RSA2".into()));
            let path = format!("/n/alipay/{}", account.app_id);
            let answer = client
                .send(
                    "POST",
                    &path,
                    &[("content-type", "application/x-www-form-urlencoded;charset=utf-8")],
                    form(&parameters).as_bytes(),
                )
                .await?;
            println!(
                "a true notice of an unknown order answered {} {}",
                answer.status,
                String::from_utf8_lossy(&answer.body)
            );
        }
        Ok(())
    }
}
