//! Open files of the process. Connections from outside never take so many of them that the journal, the index and the ways
//! out have none left: a journal that cannot open its next file ends the process.

use crate::{accept::Caps, config::Limits};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A listener with fewer places than this is of no use.
const LEAST: u64 = 16;
/// A quarter of all is kept for everything but connections from outside, and no less than this.
const KEPT: u64 = 128;

/// The process may open too few files for its listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process may open {files} files, and its listeners need {needed}")]
pub(crate) struct TooFew {
    files: u64,
    /// With so many it would start.
    pub(crate) needed: u64,
}

/// Most files that this process may open, or could with [`raise`].
pub(crate) fn most() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

/// Lets this process open as many files as it may; yields how many.
pub(crate) fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => most(),
        Err(error) => {
            tracing::warn!(%error, "the limit of open files could not be raised");
            limit.current.unwrap_or(u64::MAX)
        }
    }
}

/// Caps of each of so many listeners, where the process may open so many files: fewer places than configured where those
/// would not fit. Each listener has its own, so that nobody keeps orders out from the payers' pages.
pub(crate) fn caps(limits: &Limits, listeners: usize, files: u64) -> Result<Caps, TooFew> {
    let listeners = listeners.max(1) as u64;
    let room = files.saturating_sub(KEPT.max(files / 4)) / listeners;
    if room < LEAST {
        let needed = KEPT + LEAST * listeners;
        return Err(TooFew { files, needed });
    }
    let (all, own) = (limits.connections as u64, limits.connections_per_source as u64);
    let fit = all.min(room);
    // Where there are few places, a source with a handful would be kept out by its share of them.
    let own = if fit < all {
        (own * fit / all).max(LEAST)
    } else {
        own
    };
    Ok(Caps {
        connections: fit as usize,
        per_source: own.min(fit) as usize,
        ..Caps::default()
    })
}

/// What whoever runs this should know of these caps.
pub(crate) fn remark(limits: &Limits, caps: &Caps, files: u64) -> Option<String> {
    (caps.connections < limits.connections).then(|| {
        format!(
            "limits.connections is {}, but each listener takes {}: this process may open {files} files (LimitNOFILE=, ulimit -Hn)",
            limits.connections, caps.connections
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn fitting(limits: &str, files: u64) -> Result<(usize, usize), TooFew> {
        let example = include_str!("../../deploy/example.toml");
        let text = example.replace("[limits]\n", &format!("[limits]\n{limits}"));
        let config = Config::parse(&text).expect("the example is lawful");
        let listeners = config.listen.count();
        assert_eq!(listeners, 9, "all that there are");
        let caps = caps(&config.limits, listeners, files)?;
        let open = 9 * caps.connections as u64;
        assert!(open + files / 4 <= files, "{open} of {files}");
        let lowered = caps.connections < config.limits.connections;
        assert_eq!(remark(&config.limits, &caps, files).is_some(), lowered);
        Ok((caps.connections, caps.per_source))
    }

    #[test]
    fn places_fit_into_what_the_process_may_open() {
        assert_eq!(fitting("", u64::MAX), Ok((12_000, 750)));
        let unit = include_str!("../../deploy/guandao.service");
        let own = unit.lines().find_map(|line| line.strip_prefix("LimitNOFILE="));
        let own = own.expect("it says how many").parse().expect("a number");
        assert_eq!(fitting("", own), Ok((12_000, 750)), "the unit's fit the example");
        assert_eq!(fitting("", 65_536), Ok((5461, 341)));
        assert_eq!(fitting("", 1024), Ok((85, 16)));
        let (few, wide) = ("connections = 20\n", "connections_per_source = 12000\n");
        assert_eq!(fitting(few, 1024), Ok((20, 16)));
        assert_eq!(fitting(wide, 1024), Ok((85, 85)));
        assert_eq!(fitting("", 272), Ok((16, 16)));
        let refused = fitting("", 256).expect_err("too few");
        assert_eq!(refused.needed, 272);
    }
}
