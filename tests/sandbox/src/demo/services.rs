//! Proxy and desk, each in a process of its own (no page can show what it cannot open); for tests that look inside, the
//! proxy may run in this one.

use super::place::{Options, Place};
use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    process::{Child, Command},
    sync::Mutex,
};

/// What runs beside the channels.
pub struct Services {
    inside: Mutex<Option<Inside>>,
    outside: Mutex<Outside>,
}

struct Inside {
    proxy: proxy::run::Running,
}

#[derive(Default)]
struct Outside {
    proxy: Option<Child>,
    desk: Option<Child>,
}

impl Services {
    /// Starts them.
    pub async fn start(place: &Place, options: &Options, split: bool) -> anyhow::Result<Services> {
        let services = Services {
            inside: Mutex::default(),
            outside: Mutex::default(),
        };
        if split {
            let mut outside = services.outside.lock().await;
            outside.proxy = Some(spawn(
                "guandao",
                &place.dir,
                &place.dir.join("guandao.toml"),
                &[],
            )?);
            if options.desk {
                outside.desk = Some(spawn(
                    "guandao-desk",
                    &place.dir,
                    &place.dir.join("desk/desk.toml"),
                    &[],
                )?);
            }
            drop(outside);
            return Ok(services);
        }
        let text = std::fs::read_to_string(place.dir.join("guandao.toml"))?;
        let config = proxy::config::Config::parse(&text).map_err(|all| anyhow!("{}", list(&all)))?;
        let proxy = proxy::run::start(config, proxy::run::settings_digest(&text)).await?;
        if options.desk {
            services.outside.lock().await.desk = Some(spawn(
                "guandao-desk",
                &place.dir,
                &place.dir.join("desk/desk.toml"),
                &[],
            )?);
        }
        *services.inside.lock().await = Some(Inside { proxy });
        Ok(services)
    }

    /// Process numbers.
    pub fn pids(&self) -> Value {
        let own = std::process::id();
        let of = |child: Option<&Child>| child.and_then(Child::id).unwrap_or(own);
        match self.outside.try_lock() {
            Ok(outside) => {
                json!({ "proxy": of(outside.proxy.as_ref()), "desk": of(outside.desk.as_ref()), "sandbox": own })
            }
            Err(_) => json!({ "proxy": own, "desk": own, "sandbox": own }),
        }
    }

    /// Kills the proxy as a power failure would (split only) and waits for its end.
    pub async fn kill_proxy(&self) -> anyhow::Result<()> {
        let mut child = self.take_proxy().await?;
        let _ = child.start_kill();
        child.wait().await?;
        Ok(())
    }

    /// Waits until the proxy has ended by itself.
    pub async fn proxy_ended(&self) -> anyhow::Result<std::process::ExitStatus> {
        Ok(self.take_proxy().await?.wait().await?)
    }

    async fn take_proxy(&self) -> anyhow::Result<Child> {
        self.outside
            .lock()
            .await
            .proxy
            .take()
            .context("the proxy does not run in a process of its own")
    }

    /// How the proxy ended, if it did, and the last that it said.
    pub async fn proxy_end(&self, place: &Place) -> Option<String> {
        let status = self.outside.lock().await.proxy.as_mut()?.try_wait().ok()??;
        let log = std::fs::read_to_string(place.dir.join("guandao.log")).unwrap_or_default();
        let last: Vec<_> = log.lines().rev().take(5).collect();
        Some(format!(
            "{status}: {}",
            last.into_iter().rev().collect::<Vec<_>>().join(" | ")
        ))
    }

    /// Starts the proxy again (split only), with these environment variables.
    pub async fn restart_proxy(&self, place: &Place, env: &[(&str, &str)]) -> anyhow::Result<()> {
        let mut outside = self.outside.lock().await;
        outside.proxy = Some(spawn(
            "guandao",
            &place.dir,
            &place.dir.join("guandao.toml"),
            env,
        )?);
        Ok(())
    }

    /// Asks the proxy to stop in good order (split only).
    pub async fn stop_proxy(&self) -> anyhow::Result<()> {
        terminate(&mut self.take_proxy().await?).await
    }

    /// Stops all in good order.
    pub async fn stop(&self) -> anyhow::Result<()> {
        if let Some(inside) = self.inside.lock().await.take() {
            inside.proxy.stop().await;
        }
        let mut outside = self.outside.lock().await;
        let Outside { proxy, desk } = &mut *outside;
        for child in [proxy.as_mut(), desk.as_mut()].into_iter().flatten() {
            terminate(child).await?;
        }
        Ok(())
    }
}

async fn terminate(child: &mut Child) -> anyhow::Result<()> {
    if let Some(pid) = child.id() {
        Command::new("kill")
            .arg("-TERM")
            .arg(pid.to_string())
            .status()
            .await?;
    }
    child.wait().await?;
    Ok(())
}

/// The binary beside this one.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("a folder")?;
    let beside = [folder.join(name), folder.parent().unwrap_or(folder).join(name)];
    beside.into_iter().find(|p| p.exists()).with_context(|| {
        format!(
            "{name} is not beside {}; build the workspace first (cargo build --release)",
            own.display()
        )
    })
}

fn spawn(name: &str, dir: &Path, config: &Path, env: &[(&str, &str)]) -> anyhow::Result<Child> {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join(format!("{name}.log")))?;
    let mut command = Command::new(binary(name)?);
    command
        .arg("run")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true);
    command.envs(env.iter().copied());
    die_with_us(&mut command);
    Ok(command.spawn()?)
}

/// A demo that is killed outright leaves no orphans: the system ends its children, in good order.
#[allow(unsafe_code, reason = "between fork and exec only; prctl has no safe form")]
fn die_with_us(command: &mut Command) {
    let parent = std::process::id();
    // SAFETY: prctl and getppid are async-signal-safe and touch no memory of ours.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            // Too late to be told: the parent went before we asked.
            if u32::try_from(libc::getppid()) != Ok(parent) {
                Err(std::io::ErrorKind::NotFound.into())
            } else {
                Ok(())
            }
        });
    }
}

fn list<P: std::fmt::Display>(all: &[P]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
