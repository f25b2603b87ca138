//! Log lines on their way to standard error: put together for a tenth of a second, so that a line costs an order no
//! system call. Warnings go out at once, with everything before them.

use parking_lot::{Condvar, Mutex};
use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

const EVERY: Duration = Duration::from_millis(100);
/// No more than this waits, octets.
const MOST: usize = 64 << 10;

/// Lines that wait. Cheap to clone; the last clone writes what is left.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Waiting>);

#[derive(Default)]
struct Waiting {
    octets: Mutex<Vec<u8>>,
    some: Condvar,
}

impl Lines {
    /// Starts the thread that writes; it ends with the last clone.
    pub(crate) fn start() -> Lines {
        let lines = Lines(Arc::default());
        let waiting = Arc::downgrade(&lines.0);
        let write = move || {
            while let Some(waiting) = waiting.upgrade() {
                waiting.write_some();
                drop(waiting);
                std::thread::sleep(EVERY);
            }
        };
        std::thread::Builder::new()
            .name("log".into())
            .spawn(write)
            .expect("a thread can be started");
        lines
    }

    /// Writes what waits.
    pub(crate) fn flush(&self) {
        self.0.write(&mut self.0.octets.lock());
    }
}

impl Waiting {
    /// Writes what waits, or waits a while for a first line.
    fn write_some(&self) {
        let mut octets = self.octets.lock();
        if octets.is_empty() {
            self.some.wait_for(&mut octets, Duration::from_secs(1));
        }
        self.write(&mut octets);
    }

    fn write(&self, octets: &mut Vec<u8>) {
        let _ = io::stderr().lock().write_all(octets); // whoever reads it may have gone; that stops nobody
        octets.clear();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let octets = std::mem::take(self.octets.get_mut());
        let _ = io::stderr().lock().write_all(&octets);
    }
}

/// One line being written.
pub(crate) struct Line {
    lines: Lines,
    at_once: bool,
}

impl Write for Line {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let waiting = &self.lines.0;
        let mut all = waiting.octets.lock();
        let first = all.is_empty();
        all.extend_from_slice(octets);
        if self.at_once || all.len() > MOST {
            waiting.write(&mut all);
        } else if first {
            waiting.some.notify_one();
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line {
            lines: self.clone(),
            at_once: true,
        }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line {
        Line {
            lines: self.clone(),
            at_once: *meta.level() <= Level::WARN,
        }
    }
}
