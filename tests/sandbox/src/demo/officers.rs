//! Two officers at the desk, by its JSON face.

use super::{Demo, http::Client, local, place::{ACQUIRER, PASSWORD}};
use anyhow::{Context, anyhow, ensure};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::PathBuf, time::Duration};

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
        let answer = client.send("POST", "/api/sign-in", &[("content-type", "application/json")], body.as_bytes()).await?;
        ensure!(answer.status == 200, "sign-in answered {}: {}", answer.status, answer.json());
        let cookie = answer.headers.get("set-cookie").and_then(|v| v.to_str().ok()).and_then(|v| v.split(';').next()).context("no cookie")?;
        let csrf = answer.json()["csrf"].as_str().context("no csrf")?.to_owned();
        Ok(Officer { cookie: cookie.to_owned(), csrf, client })
    }

    /// Asks the desk.
    pub async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let bytes = body.map(Value::to_string).unwrap_or_default();
        let headers = [("cookie", self.cookie.as_str()), ("x-csrf-token", self.csrf.as_str()), ("content-type", "application/json")];
        let answer = self.client.send(method, path, &headers, bytes.as_bytes()).await?;
        ensure!(answer.status < 300, "{method} {path} answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        Ok(answer.json())
    }

    /// Flags as the desk lists them.
    pub async fn flags(&self) -> anyhow::Result<Vec<Value>> {
        let list = self.ask("GET", "/api/flags", None).await?;
        let list = list.get("flags").cloned().unwrap_or(list);
        list.as_array().cloned().context("a list of flags")
    }

    /// Waits until every rule has been flagged.
    pub async fn until_flagged(&self, rules: &[&str]) -> anyhow::Result<Vec<Value>> {
        let mut missing = BTreeSet::new();
        for _ in 0..200 {
            let flags = self.flags().await?;
            let raised: BTreeSet<&str> = flags.iter().filter_map(|f| f["rule"].as_str()).collect();
            missing = rules.iter().filter(|r| !raised.contains(*r)).map(|r| (*r).to_owned()).collect();
            if missing.is_empty() {
                return Ok(flags);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(anyhow!("not flagged within 20 s: {missing:?}"))
    }
}

/// Confirms every open flag by two officers.
pub async fn confirm_all(a: &Officer, b: &Officer) -> anyhow::Result<usize> {
    let mut confirmed = 0;
    for flag in a.flags().await? {
        let (Some(acquirer), Some(number)) = (flag["acquirer"].as_str(), flag["flag"].as_u64()) else { continue };
        let path = format!("/api/flags/{acquirer}/{number}");
        a.ask("POST", &format!("{path}/propose"), Some(&json!({ "disposition": "confirm", "reason": "planted by the demo" }))).await?;
        b.ask("POST", &format!("{path}/agree"), Some(&json!({}))).await?;
        confirmed += 1;
    }
    Ok(confirmed)
}

/// Stops a merchant by two officers; returns when the second has agreed.
pub async fn stop_merchant(a: &Officer, b: &Officer, merchant: &str) -> anyhow::Result<()> {
    let until = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis() as i64 + 3_600_000;
    let proposed = a.ask("POST", "/api/measures", Some(&json!({ "subject": { "merchant": merchant }, "until": until, "reason": "demo" }))).await?;
    let id = proposed["id"].as_str().context("a measure's id")?.to_owned();
    b.ask("POST", &format!("/api/measures/{id}/agree"), Some(&json!({}))).await?;
    Ok(())
}

impl Demo {
    /// Makes a package of confirmed flags and yields its folder.
    pub fn export(&self) -> anyhow::Result<PathBuf> {
        let output = std::process::Command::new(super::services::binary("guandao-desk")?)
            .args(["export", "--config", &self.place.dir.join("desk/desk.toml").display().to_string(), "--acquirer", ACQUIRER])
            .output()?;
        ensure!(output.status.success(), "guandao-desk export: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let mut packages: Vec<PathBuf> = std::fs::read_dir(self.place.dir.join("exports"))?.flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect();
        packages.sort();
        packages.pop().context("no package was made")
    }
}
