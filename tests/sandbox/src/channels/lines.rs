//! Lines to channels that are lost and found again on command, as real ones are. Who starts the channels puts gates before
//! some of them; where there are none, nothing can be lost.

use super::control::{Outcome, Refusal};
use super::fault::Channel;
use super::gate::{Gate, Mode};
use super::world::World;
use anyhow::{Context, anyhow};
use http::StatusCode;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// So much later answers come over a slow line: more than `slow_ms` of the demo's proxy and less than its `answer_ms`.
const SLOW_MS: u64 = 450;
/// Slower than this is a black hole.
const MOST_MS: u64 = 60_000;

/// The gates, each the line to one channel.
#[derive(Default)]
pub(crate) struct Lines(OnceLock<Vec<(Channel, Arc<Gate>)>>);

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.all().iter().map(|(channel, gate)| (channel, gate.address)))
            .finish()
    }
}

impl Lines {
    /// Once; the names are those of the control API.
    pub(super) fn set(&self, channels: &[&str], gates: &[Arc<Gate>]) -> anyhow::Result<()> {
        let line = |(name, gate): (&&str, &Arc<Gate>)| -> anyhow::Result<(Channel, Arc<Gate>)> {
            let name: StrDeserializer<'_, Error> = (*name).into_deserializer();
            Ok((Channel::deserialize(name)?, gate.clone()))
        };
        let lines = channels
            .iter()
            .zip(gates)
            .map(line)
            .collect::<anyhow::Result<_>>()?;
        self.0
            .set(lines)
            .map_err(|_| anyhow!("the lines are there already"))
    }

    fn all(&self) -> &[(Channel, Arc<Gate>)] {
        self.0.get().map_or(&[], Vec::as_slice)
    }
}

/// What becomes of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Loss {
    Open,
    Refused,
    BlackHole,
    #[serde(rename = "status_5xx")]
    Status5xx,
    Slow,
    WrongCertificate,
}

impl Loss {
    const ALL: [Loss; 6] = [
        Loss::Open,
        Loss::Refused,
        Loss::BlackHole,
        Loss::Status5xx,
        Loss::Slow,
        Loss::WrongCertificate,
    ];

    fn of(mode: Mode) -> Loss {
        match mode {
            Mode::Open => Loss::Open,
            Mode::Refused => Loss::Refused,
            Mode::BlackHole => Loss::BlackHole,
            Mode::ServerError => Loss::Status5xx,
            Mode::Slow(_) => Loss::Slow,
            Mode::WrongCertificate => Loss::WrongCertificate,
        }
    }
}

/// What can become of a line, in the control API's words.
pub fn losses() -> Vec<Value> {
    Loss::ALL.iter().map(|loss| json!(loss)).collect()
}

/// A line is lost, or found again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    channel: Channel,
    mode: Loss,
    /// `slow` only: so much later all comes that comes back.
    by_ms: Option<u64>,
}

impl Asked {
    fn mode(&self) -> Result<Mode, Refusal> {
        if self.by_ms.is_some() && self.mode != Loss::Slow {
            return Err(Refusal::bad("by_ms belongs to the mode slow"));
        }
        let by_ms = self.by_ms.unwrap_or(SLOW_MS);
        if !(1..=MOST_MS).contains(&by_ms) {
            return Err(Refusal::bad("by_ms must be 1 to 60000"));
        }
        Ok(match self.mode {
            Loss::Open => Mode::Open,
            Loss::Refused => Mode::Refused,
            Loss::BlackHole => Mode::BlackHole,
            Loss::Status5xx => Mode::ServerError,
            Loss::Slow => Mode::Slow(Duration::from_millis(by_ms)),
            Loss::WrongCertificate => Mode::WrongCertificate,
        })
    }
}

/// Answers once it is so: what comes afterwards fares as it says.
pub(super) fn control(world: &World, asked: &Asked) -> Outcome {
    let mode = asked.mode()?;
    let all = world.lines.all();
    let line = all.iter().find(|(channel, _)| *channel == asked.channel);
    let Some((_, gate)) = line else {
        let there: Vec<Value> = all.iter().map(|(channel, _)| json!(channel)).collect();
        return Err(Refusal(
            StatusCode::CONFLICT,
            match there.is_empty() {
                true => {
                    "no line can be lost here: start `guandao-sandbox demo` with --second-accounts".to_owned()
                }
                false => format!("no such line; there are {}", Value::from(there)),
            },
        ));
    };
    // On a thread that may wait, with the listeners' runtime around it.
    let turned = tokio::runtime::Handle::try_current()
        .context("no runtime")
        .and_then(|runtime| runtime.block_on(gate.set(mode)));
    turned.map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")))?;
    Ok(json!({"ok": true, "channel": asked.channel, "mode": asked.mode}))
}

/// Each line and how it fares.
pub(super) fn list(world: &World) -> Value {
    let all = world.lines.all().iter();
    let all: Vec<Value> = all
        .map(|(channel, gate)| json!({"channel": channel, "mode": Loss::of(gate.mode())}))
        .collect();
    json!({ "lines": all })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn mode(text: &str) -> Result<Mode, String> {
        let asked: Asked = serde_json::from_str(text).map_err(|e| e.to_string())?;
        asked.mode().map_err(|Refusal(_, why)| why)
    }

    #[test]
    fn each_loss_has_a_word_and_its_word_again() {
        let all = [
            ("open", Mode::Open),
            ("refused", Mode::Refused),
            ("black_hole", Mode::BlackHole),
            ("status_5xx", Mode::ServerError),
            ("slow", Mode::Slow(Duration::from_millis(SLOW_MS))),
            ("wrong_certificate", Mode::WrongCertificate),
        ];
        assert_eq!(losses(), all.map(|(word, _)| json!(word)));
        for (word, wanted) in all {
            let asked = format!(r#"{{"channel":"alipay","mode":"{word}"}}"#);
            assert_eq!(mode(&asked), Ok(wanted));
            assert_eq!(json!(Loss::of(wanted)), word);
        }
        let slower = mode(r#"{"channel":"alipay","mode":"slow","by_ms":900}"#);
        assert_eq!(slower, Ok(Mode::Slow(Duration::from_millis(900))));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_is_right() {
        for (asked, right) in [
            (r#"{"channel":"alipay","mode":"cut"}"#, "black_hole"),
            (r#"{"channel":"alipay","mode":"refused","by_ms":5}"#, "slow"),
            (r#"{"channel":"alipay","mode":"slow","by_ms":0}"#, "1 to 60000"),
            (
                r#"{"channel":"alipay","mode":"slow","by_ms":60001}"#,
                "1 to 60000",
            ),
            (r#"{"channel":"alipay"}"#, "mode"),
        ] {
            let said = mode(asked).unwrap_err();
            assert!(said.contains(right), "{asked}: {said}");
        }
    }
}
