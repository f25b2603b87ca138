//! Two officers at the desk, by its JSON face.

use super::{
    Demo,
    http::{Answer, Client},
    local,
    place::{ACQUIRER, PASSWORD},
};
use anyhow::{Context, anyhow, bail, ensure};
use domain::{CaseEntry, TradeEntry, TradeEvent};
use journal::{Reader, disk::RealDisk};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

/// One officer, signed in.
pub struct Officer {
    client: Client,
    cookie: String,
    csrf: String,
}

impl Officer {
    /// Signs in.
    pub async fn sign_in(demo: &Demo, name: &str) -> anyhow::Result<Officer> {
        let client = Client::tls(local(demo.place.ports.desk), demo.ca())?;
        let body = json!({ "name": name, "password": PASSWORD }).to_string();
        let answer = client
            .send(
                "POST",
                "/api/sign-in",
                &[("content-type", "application/json")],
                body.as_bytes(),
            )
            .await?;
        ensure!(
            answer.status == 200,
            "sign-in answered {}: {}",
            answer.status,
            answer.json()
        );
        let cookie = answer
            .headers
            .get("set-cookie")
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.split(';').next())
            .context("no cookie")?;
        let csrf = answer.json()["csrf"].as_str().context("no csrf")?.to_owned();
        Ok(Officer {
            cookie: cookie.to_owned(),
            csrf,
            client,
        })
    }

    /// Asks the desk.
    pub async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let answer = self.send(method, path, body).await?;
        ensure!(
            answer.status < 300,
            "{method} {path} answered {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        Ok(answer.json())
    }

    async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        let bytes = body.map(Value::to_string).unwrap_or_default();
        let headers = [
            ("cookie", self.cookie.as_str()),
            ("x-csrf-token", self.csrf.as_str()),
            ("content-type", "application/json"),
        ];
        self.client.send(method, path, &headers, bytes.as_bytes()).await
    }

    /// Flags as the desk lists them.
    pub async fn flags(&self) -> anyhow::Result<Vec<Value>> {
        let list = self.ask("GET", "/api/flags", None).await?;
        let list = list.get("flags").cloned().unwrap_or(list);
        list.as_array().cloned().context("a list of flags")
    }

    /// Asks the desk for a decision; `false` if somebody else was first (409).
    pub async fn decide(&self, path: &str, body: &Value) -> anyhow::Result<bool> {
        self.first(path, body).await.map(|answer| answer.is_some())
    }

    /// Proposes; yields what whoever has read that sends to agree, or nothing if somebody else was first (409).
    pub async fn propose(&self, path: &str, body: &Value) -> anyhow::Result<Option<Value>> {
        let answer = self.first(path, body).await?;
        Ok(answer.map(|answer| to_agree(&answer)))
    }

    async fn first(&self, path: &str, body: &Value) -> anyhow::Result<Option<Value>> {
        let answer = self.send("POST", path, Some(body)).await?;
        ensure!(
            answer.status < 300 || answer.status == 409,
            "POST {path} answered {}: {}",
            answer.status,
            answer.json()
        );
        Ok((answer.status < 300).then(|| answer.json()))
    }

    /// Flags of one merchant.
    async fn flags_of(&self, merchant: &str) -> anyhow::Result<Vec<Value>> {
        Ok(self
            .flags()
            .await?
            .into_iter()
            .filter(|f| f["merchant"] == merchant)
            .collect())
    }

    /// Waits until every rule has been flagged at this merchant; yields its flags.
    pub async fn until_flagged(&self, merchant: &str, rules: &[&str]) -> anyhow::Result<Vec<Value>> {
        let mut missing = BTreeSet::new();
        for _ in 0..200 {
            let flags = self.flags_of(merchant).await?;
            let raised: BTreeSet<&str> = flags.iter().filter_map(|f| f["rule"].as_str()).collect();
            missing = rules
                .iter()
                .filter(|r| !raised.contains(*r))
                .map(|r| (*r).to_owned())
                .collect();
            if missing.is_empty() {
                return Ok(flags);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(anyhow!("not flagged within 20 s: {missing:?}"))
    }
}

/// What an officer sends who has read a proposal: its place in the cases journal, which the answer to it named.
pub fn to_agree(proposed: &Value) -> Value {
    json!({ "proposal": proposed["proposal"] })
}

/// Confirms every open flag of a merchant by two officers; how many the two decided. What somebody else decided first
/// stays decided.
pub async fn confirm_all(a: &Officer, b: &Officer, merchant: &str) -> anyhow::Result<usize> {
    let mut confirmed = 0;
    for flag in a.flags_of(merchant).await? {
        let (Some(acquirer), Some(number)) = (flag["acquirer"].as_str(), flag["flag"].as_u64()) else {
            continue;
        };
        let path = format!("/api/flags/{acquirer}/{number}");
        let confirm = json!({ "disposition": "confirm", "reason": "planted by the demo" });
        let Some(read) = a.propose(&format!("{path}/propose"), &confirm).await? else {
            continue;
        };
        confirmed += usize::from(b.decide(&format!("{path}/agree"), &read).await?);
    }
    Ok(confirmed)
}

/// Stops a merchant by two officers; yields the measure's number when the second has agreed.
pub async fn stop_merchant(a: &Officer, b: &Officer, merchant: &str) -> anyhow::Result<String> {
    let until = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_millis() as i64
        + 3_600_000;
    let proposed = a
        .ask(
            "POST",
            "/api/measures",
            Some(&json!({ "subject": { "merchant": merchant }, "until": until, "reason": "demo" })),
        )
        .await?;
    let id = proposed["id"].as_str().context("a measure's id")?.to_owned();
    b.decide(&format!("/api/measures/{id}/agree"), &to_agree(&proposed))
        .await?;
    Ok(id)
}

/// How long a measure took from its order in the one journal to its effect in the other, by the journals' own times.
pub async fn took_effect(demo: &Demo, measure: &str) -> anyhow::Result<Duration> {
    for _ in 0..200 {
        let of = |dir: &str| Reader::open(Arc::new(RealDisk), &demo.place.dir.join(dir));
        for entry in of("data/trades")?.scan(0) {
            let observed = TradeEntry::from_canonical(&entry?.1)?;
            if let TradeEvent::MeasureObserved {
                cases_index,
                measure: own,
            } = &observed.event
                && own.id.as_str() == measure
            {
                let ordered = CaseEntry::from_canonical(&of("desk/data/cases")?.entry(*cases_index)?)?;
                let took = observed.at.millis().saturating_sub(ordered.at.millis());
                return Ok(Duration::from_millis(took.try_into().unwrap_or_default()));
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("the effect of measure {measure} is not on record")
}

/// Lifts a measure by two officers.
pub async fn lift(a: &Officer, b: &Officer, measure: &str) -> anyhow::Result<()> {
    let reason = json!({ "reason": "the demo has shown it" });
    let path = format!("/api/measures/{measure}");
    let Some(read) = a.propose(&format!("{path}/lift"), &reason).await? else {
        return Ok(());
    };
    b.decide(&format!("{path}/agree"), &read).await.map(drop)
}

impl Demo {
    /// `guandao export` with the desk's configuration: whether it succeeded, and what it said.
    pub fn hand_over(&self, arguments: &[&str]) -> anyhow::Result<(bool, String)> {
        let mut command = std::process::Command::new(super::services::binary("guandao")?);
        let output = command
            .args(["export", "--config"])
            .arg(self.place.dir.join("desk/desk.toml"))
            .args(arguments)
            .output()?;
        Ok((
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        ))
    }

    /// Makes a package of confirmed flags and yields its folder.
    pub fn export(&self) -> anyhow::Result<PathBuf> {
        let (good, said) = self.hand_over(&["--acquirer", ACQUIRER])?;
        // Somebody else may have made the package that holds the latest decisions.
        ensure!(good || said.contains("nothing new"), "guandao export: {said}");
        let mut packages: Vec<PathBuf> = std::fs::read_dir(self.place.dir.join("exports"))?
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.is_dir())
            .collect();
        packages.sort();
        packages.pop().context("no package was made")
    }
}
