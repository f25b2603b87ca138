//! Malformed, oversized, replayed, mis-signed and hostile requests on every listener: each gets a precise 4xx in the
//! language of its door, and no octet of it reaches the log.
//!
//! Every hostile value holds [`MARK`]; the proxy logs at its most talkative level.

mod api;
mod browser;
mod doors;
mod group;
mod heads;
mod many;
mod notices;
mod pass;
mod slow;
mod tricks;
mod unionpay;
mod wire;

use proxy::fault::Code;
use sandbox::demo::{Demo, place::Options};
use serde_json::Value;
use std::{collections::HashSet, sync::Mutex};
use tempfile::TempDir;
use wire::{At, Said};

/// In every hostile value. Letters only, so that it fits where names must.
pub(crate) const MARK: &str = "hostileqzmark";

/// A demo under attack, and what went otherwise than it must.
pub(crate) struct Yard {
    pub(crate) demo: Demo,
    pub(crate) dir: TempDir,
    tls: std::sync::Arc<rustls::ClientConfig>,
    wrong: Mutex<Vec<String>>,
    tried: Mutex<usize>,
}

impl Yard {
    pub(crate) async fn open() -> Yard {
        Yard::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Yard {
        let dir = tempfile::tempdir().expect("a folder");
        let extra = "[telemetry]\nlevel = \"debug\"\n".into();
        let options = Options {
            desk: false,
            merchants: 2,
            extra,
            ..options
        };
        let demo = Demo::start(dir.path(), &options, true)
            .await
            .unwrap_or_else(|e| panic!("the demo starts: {e:#}"));
        let tls = certs::tls::client(demo.ca(), None).expect("roots");
        Yard {
            demo,
            dir,
            tls,
            wrong: Mutex::default(),
            tried: Mutex::default(),
        }
    }

    pub(crate) fn port(&self, at: At) -> u16 {
        let ports = self.demo.place.ports;
        match at {
            At::Api => ports.api,
            At::Wechat | At::WechatV2 => ports.wechat,
            At::Unionpay => ports.unionpay,
            At::Alipay | At::AlipayV3 | At::AlipayPages => ports.alipay,
            At::Notify | At::NotifyAlipay | At::NotifyUnionpay => ports.notify,
            At::Metrics => ports.metrics,
        }
    }

    /// Numbers of the orders that channels have, with how often each was placed, closed or refunded there.
    pub(crate) async fn orders(&self) -> Vec<String> {
        let all = self.demo.channel_orders().await.expect("orders");
        let calls = |order: &Value| {
            ["create", "close", "refund"].map(|call| order["calls"][call].as_u64().unwrap_or_default())
        };
        let line = |order: &Value| format!("{} {:?}", order["out_trade_no"], calls(order));
        all["orders"].as_array().into_iter().flatten().map(line).collect()
    }

    /// Puts on record what is not as it must be.
    pub(crate) fn must(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.lock().expect("lock").push(what());
        }
    }

    /// The request was refused in the language of the door, for the reason given.
    pub(crate) fn refused(&self, at: At, what: &str, said: &Said, reason: &str) {
        *self.tried.lock().expect("lock") += 1;
        let problem = refusal(at, said)
            .err()
            .or_else(|| (!said.text().contains(reason)).then(|| format!("lacks {reason:?}")));
        let problem = problem.or_else(|| {
            said.text()
                .contains(MARK)
                .then(|| "repeats a hostile value".into())
        });
        self.must(problem.is_none(), || {
            format!("{at:?} {what}: {} in {said:?}", problem.unwrap_or_default())
        });
    }

    /// What is not HTTP at all is refused by the reader of HTTP, who speaks no dialect, and the connection ends.
    pub(crate) fn bare(&self, at: At, what: &str, said: &Said) {
        *self.tried.lock().expect("lock") += 1;
        let right =
            said.closed && said.body.is_empty() && said.status.is_none_or(|s| (400..500).contains(&s));
        self.must(right, || {
            format!("{at:?} {what}: not refused as no HTTP: {said:?}")
        });
    }

    /// Nothing was wrong on the way.
    pub(crate) fn settled(self) {
        let wrong = self.wrong.into_inner().expect("lock");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// The service lives, its log is clean, and nothing was wrong on the way. Gives back the folder of the stopped demo.
    pub(crate) async fn close(self) -> TempDir {
        let healthy = self
            .say(At::Api, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            .await;
        self.must(healthy.status == Some(200) && healthy.body == b"ok\n", || {
            format!("not healthy afterwards: {healthy:?}")
        });
        let merchant = self.demo.merchant(0).expect("merchant");
        let read = merchant.ask("GET", "/v1/payments?order_no=none", None).await;
        self.must(read.as_ref().is_ok_and(|a| a.status == 404), || {
            format!("does not answer afterwards: {read:?}")
        });
        let stopped = self.demo.services.stop().await;
        self.must(stopped.is_ok(), || format!("does not stop: {stopped:?}"));
        let log = std::fs::read_to_string(self.dir.path().join("guandao.log")).expect("a log");
        self.must(log.contains("answered") && log.contains("refused"), || {
            "the log is empty".into()
        });
        for line in log.lines() {
            let clean = !line.to_ascii_lowercase().contains(MARK)
                && !line.contains("panicked")
                && !line.contains(" ERROR ");
            self.must(clean, || format!("in the log: {line}"));
        }
        let (wrong, tried) = (
            self.wrong.into_inner().expect("lock"),
            self.tried.into_inner().expect("lock"),
        );
        println!("{tried} hostile requests, {} log lines", log.lines().count());
        assert!(
            tried > 0 && wrong.is_empty(),
            "{} of {tried}:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        self.dir
    }
}

/// Is it a refusal as this door words it?
fn refusal(at: At, said: &Said) -> Result<(), String> {
    let status = said.status.ok_or("no answer")?;
    let json = || serde_json::from_slice::<Value>(&said.body).map_err(|e| format!("no JSON: {e}"));
    let keys = |value: &Value| {
        value
            .as_object()
            .map(|o| o.keys().cloned().collect::<HashSet<_>>())
            .unwrap_or_default()
    };
    let texts = |value: &Value, names: &[&str]| {
        keys(value) == names.iter().map(|n| (*n).to_owned()).collect()
            && names.iter().all(|n| value[*n].is_string())
    };
    let is = |yes: bool, what: &str| if yes { Ok(()) } else { Err(what.to_owned()) };
    match at {
        At::Alipay | At::WechatV2 => is(status == 200, "these say it with 200")?,
        // What no browser brings is said to a server.
        At::AlipayPages if status == 200 => return refusal(At::Alipay, said),
        At::NotifyUnionpay => is((400..600).contains(&status), "an acknowledgement")?,
        _ => is((400..500).contains(&status), "not a 4xx")?,
    }
    match at {
        At::Api | At::Metrics => {
            is(
                said.header("content-type") == Some("application/problem+json"),
                "no problem document",
            )?;
            let value = json()?;
            let row = Code::ALL
                .iter()
                .map(|c| c.row())
                .find(|row| value["code"] == row.code)
                .ok_or("no stable code")?;
            is(
                row.status == status && value["status"] == status,
                "another status than its code has",
            )?;
            is(
                value["detail"].as_str().is_some_and(|d| !d.is_empty()),
                "no detail",
            )?;
            let signed = [
                "guandao-signature",
                "guandao-serial",
                "guandao-nonce",
                "guandao-timestamp",
            ]
            .iter()
            .all(|h| said.header(h).is_some());
            is(at != At::Api || signed, "not signed")
        }
        At::Wechat | At::AlipayV3 => is(texts(&json()?, &["code", "message"]), "not the channel's form"),
        At::Alipay => is(
            texts(
                &json()?["error_response"],
                &["code", "msg", "sub_code", "sub_msg"],
            ),
            "not Alipay's form",
        ),
        At::AlipayPages => is(
            said.header("content-type")
                .is_some_and(|kind| kind.starts_with("text/html"))
                && said.text().contains("请返回商户页面"),
            "no page",
        ),
        At::Notify => {
            let value = json()?;
            is(
                texts(&value, &["code", "message"]) && value["code"] == "FAIL",
                "not WeChat's form",
            )
        }
        At::WechatV2 => is(
            said.text().contains("<return_code><![CDATA[FAIL]]>"),
            "not V2's form",
        ),
        At::Unionpay => is(said.text().starts_with("respCode="), "not UnionPay's form"),
        At::NotifyAlipay => is(said.body == b"fail", "not Alipay's form"),
        At::NotifyUnionpay => is(said.body == b"fail", "not the word for UnionPay"),
    }
}
