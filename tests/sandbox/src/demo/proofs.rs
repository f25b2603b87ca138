//! What the demo proves of its own orders, with the verifier that shares no code with the writer.

use super::{Demo, merchant::Merchant, services::binary};
use anyhow::{anyhow, ensure};
use std::{path::Path, process::Command};

/// Runs `guandao-verify`; its words, or what it found wrong.
pub fn verify(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(binary("guandao-verify")?).args(arguments).output()?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(said)
    } else {
        Err(anyhow!("guandao-verify {}: {said}", arguments.join(" ")))
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

impl Demo {
    /// A receipt for one of the order's entries, verified offline.
    pub async fn prove_receipt(&self, merchant: &Merchant, payment: &str, index: u64) -> anyhow::Result<()> {
        let answer = merchant
            .ask(
                "GET",
                &format!("/v1/payments/{payment}/receipt?index={index}"),
                None,
            )
            .await?;
        ensure!(answer.status == 200, "the receipt answered {}", answer.status);
        let dir = self.place.dir.join("receipts");
        std::fs::create_dir_all(&dir)?;
        let file = dir.join(format!("{payment}.txt"));
        std::fs::write(&file, &answer.body)?;
        verify(&[
            "receipt",
            &text(&file),
            "--key",
            &text(&self.place.dir.join("trades.vkey")),
        ])
        .map(drop)
    }

    /// The whole journal, tile by tile.
    pub fn prove_journal(&self) -> anyhow::Result<String> {
        verify(&[
            "journal",
            &text(&self.place.dir.join("data/trades")),
            "--key",
            &text(&self.place.dir.join("trades.vkey")),
        ])
    }

    /// That every bucket of sealed buyer data has died on time.
    pub fn prove_purge(&self) -> anyhow::Result<String> {
        verify(&[
            "purge",
            &text(&self.place.dir.join("data/trades")),
            "--key",
            &text(&self.place.dir.join("trades.vkey")),
        ])
    }

    /// A package of confirmed flags.
    pub fn prove_export(&self, package: &Path) -> anyhow::Result<String> {
        verify(&[
            "export",
            &text(package),
            "--key",
            &text(&self.place.dir.join("export.vkey")),
            "--cases-key",
            &text(&self.place.dir.join("cases.vkey")),
            "--trades-key",
            &text(&self.place.dir.join("trades.vkey")),
            "--cases",
            &text(&self.place.dir.join("desk/data/cases")),
        ])
    }
}
