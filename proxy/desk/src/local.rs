//! The command line and a running desk: one journal has one writer, so the command asks the desk over a socket in its
//! data folder, and works by itself only when none runs.

use crate::{
    export::{self, ExportError, Exporter, Made},
    state::Awaiting,
};
use domain::AcquirerNo;
use serde::{Deserialize, Serialize};
use std::{
    io::{self, ErrorKind},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::watch,
};

/// Longest question; acknowledgements are short.
const MOST: u64 = 1 << 20;
/// Time for a question to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the command line asks.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Make packages.
    Export {
        /// For one acquirer, or for all.
        acquirer: Option<AcquirerNo>,
    },
    /// Take an acknowledgement.
    Acknowledge {
        /// The file's text.
        file: String,
        /// The note beside it.
        signature: String,
    },
    /// List confirmed flags that were not acknowledged.
    Unacknowledged {
        /// Of one acquirer, or of all.
        acquirer: Option<AcquirerNo>,
    },
}

/// What it is told.
#[derive(Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Packages were made.
    Made(Vec<MadeLine>),
    /// The acknowledgement was taken.
    Acknowledged {
        /// Whose.
        acquirer: AcquirerNo,
        /// Of which package.
        package: u64,
    },
    /// Confirmed flags that were not acknowledged, the oldest first.
    Unacknowledged(Vec<Awaiting>),
    /// Nothing is new.
    Nothing,
    /// It was not done.
    Refused(String),
}

/// One package that was made.
#[derive(Serialize, Deserialize, Debug)]
pub struct MadeLine {
    /// For whom.
    pub acquirer: AcquirerNo,
    /// Its number.
    pub package: u64,
    /// Its folder.
    pub path: PathBuf,
}

/// The socket of a data folder.
pub fn socket(data: &Path) -> PathBuf {
    data.join("desk.sock")
}

/// Does what is asked.
pub async fn answer(exporter: &Exporter, question: Question) -> Reply {
    let done = match question {
        Question::Export { acquirer } => export::make(exporter, acquirer.as_ref()).await.map(made),
        Question::Acknowledge { file, signature } => {
            export::acknowledge(exporter, file.as_bytes(), &signature)
                .await
                .map(|(acquirer, package)| Reply::Acknowledged { acquirer, package })
        }
        Question::Unacknowledged { acquirer } => {
            let now = exporter.cases.now();
            let mut all = exporter.cases.look(|state| state.unacknowledged(now));
            all.retain(|one| acquirer.as_ref().is_none_or(|wanted| *wanted == one.acquirer));
            Ok(Reply::Unacknowledged(all))
        }
    };
    match done {
        Ok(reply) => reply,
        Err(ExportError::Nothing) => Reply::Nothing,
        Err(error) => Reply::Refused(error.to_string()),
    }
}

fn made(all: Vec<Made>) -> Reply {
    let line = |made: Made| MadeLine {
        acquirer: made.acquirer,
        package: made.package,
        path: made.path,
    };
    Reply::Made(all.into_iter().map(line).collect())
}

/// Binds the socket for this user alone. The journal's lock is held, so an old one is a dead one's.
pub fn bind(data: &Path) -> io::Result<UnixListener> {
    let path = socket(data);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(socket)
}

/// Answers until told to stop.
pub async fn serve(socket: UnixListener, exporter: Arc<Exporter>, mut stop: watch::Receiver<bool>) {
    loop {
        let stream = tokio::select! {
            accepted = socket.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match stream {
            Ok((stream, _)) => {
                if let Err(error) = one(stream, &exporter).await {
                    tracing::warn!(%error, "a command could not be answered");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a command could not be heard");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn one(mut stream: UnixStream, exporter: &Exporter) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut limited = (&mut stream).take(MOST);
    let reading = limited.read_to_end(&mut bytes);
    tokio::time::timeout(PATIENCE, reading)
        .await
        .map_err(|_| io::Error::from(ErrorKind::TimedOut))??;
    let reply = match serde_json::from_slice(&bytes) {
        Ok(question) => answer(exporter, question).await,
        Err(_) => Reply::Refused("the question cannot be read".into()),
    };
    stream.write_all(&serde_json::to_vec(&reply)?).await?;
    stream.shutdown().await
}

/// Asks a running desk; `None` if none runs.
pub async fn ask(data: &Path, question: &Question) -> io::Result<Option<Reply>> {
    let mut stream = match UnixStream::connect(socket(data)).await {
        Ok(stream) => stream,
        Err(error) if [ErrorKind::NotFound, ErrorKind::ConnectionRefused].contains(&error.kind()) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    stream.write_all(&serde_json::to_vec(question)?).await?;
    stream.shutdown().await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}
