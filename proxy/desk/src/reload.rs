//! Registries, users and certificates change while running; what is wrong changes nothing and is in the log.

use crate::{config::Config, fetch::Remote, run::client, users::Users, web::Desk};
use certs::tls::Listener;
use domain::Digest;
use settings::registries;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// Time between looks.
const EVERY: Duration = Duration::from_secs(5);

/// The files that change, and who uses them.
pub(crate) struct Files {
    pub(crate) config: Config,
    pub(crate) desk: Arc<Desk>,
    pub(crate) listeners: [Arc<Listener>; 2],
    pub(crate) remote: Arc<Remote>,
}

impl Files {
    /// Looks again and again until told to stop.
    pub(crate) async fn keep_up(self, mut stop: watch::Receiver<bool>) {
        let mut seal = registries::seal(&self.config.registries);
        loop {
            tokio::select! {
                _ = tokio::time::sleep(EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            self.registries(&mut seal);
            self.users();
            self.certificates();
        }
    }

    fn registries(&self, seal: &mut Option<Digest>) {
        let now = registries::seal(&self.config.registries);
        if now.is_none() || now == *seal {
            return;
        }
        *seal = now;
        let in_force = &self.desk.registries;
        match registries::load(&self.config.registries, &in_force.load().versions()) {
            Ok(registries) => in_force.store(Arc::new(registries)),
            Err(problems) => {
                tracing::error!(
                    ?problems,
                    "the registries were not taken; the former stay in force"
                );
            }
        }
    }

    fn users(&self) {
        match Users::load(&self.config.users) {
            Ok(users) if **self.desk.users.load() != users => self.desk.users.store(Arc::new(users)),
            Ok(_) => {}
            Err(problems) => tracing::error!(?problems, "the users were not taken; the former stay in force"),
        }
    }

    fn certificates(&self) {
        for listener in &self.listeners {
            if let Err(error) = listener.reload() {
                tracing::error!(%error, "a certificate was not taken; the former stays in use");
            }
        }
        match client(&self.config.trades) {
            Ok(tls) => self.remote.renew(tls),
            Err(error) => {
                tracing::error!(%error, "our certificate for the proxy was not taken; the former stays")
            }
        }
    }
}
