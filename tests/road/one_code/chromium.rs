//! A real browser, driven over its own debugging pipe (DevTools protocol, JSON ended by NUL): no port, no further library.

use anyhow::{Context, anyhow, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Where a browser may be; the first that starts is taken.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// A running browser.
pub(super) struct Chromium {
    child: Child,
    input: File,
    answers: Receiver<Value>,
    next: u64,
    _dir: TempDir,
}

/// One page in a context of its own: cookies of others are not seen.
pub(super) struct Tab<'a> {
    browser: &'a mut Chromium,
    session: String,
}

/// How a page is looked at.
pub(super) struct Look<'a> {
    pub(super) agent: &'a str,
    pub(super) language: &'a str,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Chromium {
    /// Starts one; `None` where there is none.
    pub(super) fn start() -> anyhow::Result<Option<Chromium>> {
        let wanted = std::env::var("GUANDAO_CHROMIUM").ok();
        let names = wanted.iter().map(String::as_str).chain(NAMES);
        let there = |name: &&str| {
            Command::new(name)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|s| s.success())
        };
        let Some(program) = names.into_iter().find(there) else {
            return Ok(None);
        };
        let dir = tempfile::tempdir()?;
        let [to, from] = ["to", "from"].map(|name| dir.path().join(name));
        ensure!(
            Command::new("mkfifo").args([&to, &from]).status()?.success(),
            "no pipes"
        );
        let child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<\"$TO\" 4>\"$FROM\"", program])
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--hide-scrollbars",
                "--remote-debugging-pipe",
            ])
            // The demo's own CA is in no store.
            .arg("--ignore-certificate-errors")
            // The sandbox plays the hosts of UnionPay and of banks at ports of its own.
            .arg("--host-resolver-rules=MAP openapi.alipay.com 127.0.0.1, MAP gateway.95516.com 127.0.0.1, MAP ibsbjstar.ccb.com.cn 127.0.0.1, MAP b2c.icbc.com.cn 127.0.0.1")
            .arg(format!(
                "--user-data-dir={}",
                dir.path().join("profile").display()
            ))
            .env("TO", &to)
            .env("FROM", &from)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let input = OpenOptions::new().write(true).open(&to)?;
        let output = File::open(&from)?;
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let Ok(value) = serde_json::from_slice(&message) else {
                    continue;
                };
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        Ok(Some(Chromium {
            child,
            input,
            answers,
            next: 0,
            _dir: dir,
        }))
    }

    fn ask(&mut self, session: Option<&str>, method: &str, params: Value) -> anyhow::Result<Value> {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        self.input.write_all(message.to_string().as_bytes())?;
        self.input.write_all(&[0])?;
        let end = Instant::now() + Duration::from_secs(40);
        loop {
            let left = end
                .checked_duration_since(Instant::now())
                .with_context(|| format!("{method}: no answer"))?;
            let answer = self
                .answers
                .recv_timeout(left)
                .map_err(|_| anyhow!("{method}: the browser is silent"))?;
            if answer["id"] == self.next {
                ensure!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return Ok(answer["result"].clone());
            }
        }
    }

    /// A page with nothing in it; `script` runs before each page's own.
    pub(super) fn tab(&mut self, look: &Look<'_>, script: &str) -> anyhow::Result<Tab<'_>> {
        let context = self.ask(None, "Target.createBrowserContext", json!({}))?["browserContextId"].clone();
        let target = self.ask(
            None,
            "Target.createTarget",
            json!({ "url": "about:blank", "browserContextId": context }),
        )?["targetId"]
            .clone();
        let session = self.ask(
            None,
            "Target.attachToTarget",
            json!({ "targetId": target, "flatten": true }),
        )?["sessionId"]
            .clone();
        let session = session.as_str().context("a session")?.to_owned();
        let mut tab = Tab {
            browser: self,
            session,
        };
        tab.ask("Page.enable", json!({}))?;
        tab.ask(
            "Emulation.setUserAgentOverride",
            json!({ "userAgent": look.agent, "acceptLanguage": look.language }),
        )?;
        tab.ask("Emulation.setDeviceMetricsOverride", json!({ "width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": look.width < 600 }))?;
        tab.ask(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": script }),
        )?;
        Ok(tab)
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.ask(None, "Browser.close", json!({}));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Tab<'_> {
    fn ask(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        let session = self.session.clone();
        self.browser.ask(Some(&session), method, params)
    }

    /// Goes to an address.
    pub(super) fn open(&mut self, address: &str) -> anyhow::Result<()> {
        self.ask("Page.navigate", json!({ "url": address })).map(drop)
    }

    /// What an expression is in the page now.
    pub(super) fn value(&mut self, expression: &str) -> anyhow::Result<Value> {
        Ok(self.ask(
            "Runtime.evaluate",
            json!({ "expression": expression, "returnByValue": true }),
        )?["result"]["value"]
            .clone())
    }

    /// Another size of what is seen.
    pub(super) fn size(&mut self, (width, height): (u32, u32)) -> anyhow::Result<()> {
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 }),
        )
        .map(drop)
    }

    /// Waits until an expression is true; pages may change meanwhile.
    pub(super) fn until(&mut self, expression: &str) -> anyhow::Result<()> {
        let end = Instant::now() + Duration::from_secs(30);
        while Instant::now() < end {
            if self
                .value(&format!("Boolean({expression})"))
                .is_ok_and(|value| value == true)
            {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let text = self.value("location.href + '\\n' + document.body.innerText")?;
        bail!("never true: {expression}; the page is {text}")
    }

    /// Presses what a selector names.
    pub(super) fn press(&mut self, selector: &str) -> anyhow::Result<()> {
        self.until(&format!("document.querySelector({selector:?})"))?;
        self.value(&format!("document.querySelector({selector:?}).click()"))
            .map(drop)
    }

    /// Types into what has the focus.
    pub(super) fn write(&mut self, selector: &str, text: &str) -> anyhow::Result<()> {
        self.until(&format!("document.querySelector({selector:?})"))?;
        self.value(&format!("document.querySelector({selector:?}).focus()"))?;
        self.ask("Input.insertText", json!({ "text": text })).map(drop)
    }

    /// A picture of what is seen.
    pub(super) fn picture(&mut self) -> anyhow::Result<Vec<u8>> {
        std::thread::sleep(Duration::from_millis(150));
        let taken = self.ask("Page.captureScreenshot", json!({ "format": "png" }))?;
        Ok(STANDARD.decode(taken["data"].as_str().context("a picture")?)?)
    }
}
