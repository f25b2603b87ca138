//! Threads that a process cannot go on without.

use std::thread::JoinHandle;

/// Starts a thread; should it ever panic, the process ends at once. A process whose journal nobody writes, signs or follows
/// any more looks well from outside, so whoever watches it would not start it anew.
pub fn start(name: &'static str, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let run = move || {
        let _end = EndsWith(name);
        work();
    };
    std::thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .expect("a thread can be started")
}

/// The process ends with a thread of this name that panics.
struct EndsWith(&'static str);

impl Drop for EndsWith {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the thread {} panicked; stopping at once", self.0);
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::process::ExitStatusExt as _, process::Command};

    /// Set for the process that this test starts of itself.
    const INNER: &str = "GUANDAO_TEST_PANICS";

    #[test]
    fn the_process_ends_with_a_thread_that_panics() {
        if std::env::var_os(INNER).is_some() {
            start("tested", || panic!("as asked")).join().expect("joined");
            return;
        }
        let output = Command::new(std::env::current_exe().expect("this test"))
            .args([
                "--exact",
                "thread::tests::the_process_ends_with_a_thread_that_panics",
                "--nocapture",
            ])
            .env(INNER, "1")
            .output()
            .expect("starts");
        assert_eq!(output.status.signal(), Some(6), "it was not aborted");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("the thread tested panicked"), "{told}");
        start("calm", || {})
            .join()
            .expect("a thread that ends takes nothing with it");
    }
}
