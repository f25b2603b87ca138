//! The payer's browser and app: they carry to the channel what was handed out.

use super::{Demo, http::Client, place::GATED};
use anyhow::{Context, ensure};
use serde_json::{Value, json};

impl Demo {
    /// Opens what was handed out, scans a code that is no trade before; of an order that is at its channel already,
    /// nothing. Nobody pays yet.
    pub async fn open(&self, order: &Value) -> anyhow::Result<()> {
        let is = |name: &str| order[name].as_str().unwrap_or_default();
        match (is("channel"), is("pay_way")) {
            ("alipay", "app") => {
                let string = &order["call_up"]["order_string"];
                self.control(
                    "/control/open",
                    &json!({ "channel": "alipay", "order_string": string }),
                )
                .await
                .map(drop)
            }
            ("alipay" | "baidu", "page" | "wap")
            | ("unionpay" | "ccb" | "icbc", "gateway" | "gateway_b2b") => {
                let page = self.browse(order).await?;
                ensure!(
                    page.contains(is("number")) && page.contains('￥'),
                    "the cashier shows {page}"
                );
                Ok(())
            }
            ("alipay", "qr") => {
                let scan =
                    json!({ "channel": "alipay", "out_trade_no": order["number"], "outcome": "declined" });
                self.control("/control/pay", &scan).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// What a browser shows: a computer's goes to the address where there is one, else it posts the form.
    pub async fn browse(&self, order: &Value) -> anyhow::Result<String> {
        let (at, host) = match order["channel"].as_str() {
            Some("unionpay") => (self.channels.unionpay, "gateway.95516.com:"),
            Some("baidu") => (self.channels.both, "www.baifubao.com:"),
            Some("ccb") => (self.channels.both, "ibsbjstar.ccb.com.cn:"),
            Some("icbc") => (self.channels.both, "b2c.icbc.com.cn:"),
            _ => (self.channels.alipay, "openapi.alipay.com:"),
        };
        let client = Client::tls(at, &self.ca)?;
        let call_up = &order["call_up"];
        let answer = if order["pay_way"] == "page" || order["channel"] == "baidu" {
            client.send("GET", path(&call_up["url"], host)?, &[], b"").await?
        } else {
            let fields = call_up["form"]["fields"].as_object().context("fields")?;
            let pairs = fields
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()));
            let octets = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(pairs)
                .finish();
            let headers = [("content-type", "application/x-www-form-urlencoded")];
            client
                .send(
                    "POST",
                    path(&call_up["form"]["action"], host)?,
                    &headers,
                    octets.as_bytes(),
                )
                .await?
        };
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }
}

/// Path and query of an address at the licensed host.
fn path<'a>(address: &'a Value, licensed: &str) -> anyhow::Result<&'a str> {
    let address = address.as_str().context("no address")?;
    let (host, _) = address
        .strip_prefix("https://")
        .and_then(|rest| rest.split_once('/'))
        .context("no https address")?;
    let gated = GATED.iter().any(|(_, gate)| host.starts_with(gate));
    ensure!(
        gated || host.starts_with(licensed),
        "handed out for another host: {host}"
    );
    Ok(&address["https://".len() + host.len()..])
}
