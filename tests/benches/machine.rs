//! The machine: cores, CPU time, memory, flush time, timers that are exact to microseconds.
#![allow(unsafe_code)] // affinity, process clocks and timerfd have no safe form; each call takes plain numbers

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::fs::FileExt,
    },
    path::Path,
    time::{Duration, Instant},
};
use tokio::io::unix::AsyncFd;

/// The proxy and every peer run here, one at a time.
pub(crate) const PROXY_CORE: usize = 0;
/// Load generator and channel run here.
pub(crate) const LOAD_CORE: usize = 1;

/// Binds the calling thread, and threads it starts later, to one core.
pub(crate) fn pin(core: usize) {
    // SAFETY: the set is a plain bit mask that lives across the call.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

fn read_clock(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a live timespec, which clock_gettime fills.
    unsafe { libc::clock_gettime(clock, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time of a process, all threads, those that ended too.
pub(crate) fn cpu_of(pid: u32) -> Duration {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the pointer is to a live clockid_t.
    if unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &mut clock) } != 0 {
        return Duration::ZERO;
    }
    read_clock(clock)
}

/// CPU time of the calling thread.
pub(crate) fn thread_cpu() -> Duration {
    read_clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Busy time of a core since the machine started, whoever used it (to 10 ms).
pub(crate) fn busy(core: usize) -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let name = format!("cpu{core} ");
    let line = stat.lines().find(|l| l.starts_with(&name)).unwrap_or_default();
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|t| t.parse().ok())
        .collect();
    let idle = ticks.get(3).copied().unwrap_or(0) + ticks.get(4).copied().unwrap_or(0);
    Duration::from_millis(10 * ticks.iter().take(8).sum::<u64>().saturating_sub(idle))
}

/// Resident memory of a process, octets.
pub(crate) fn resident(pid: u32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    statm
        .split(' ')
        .nth(1)
        .and_then(|p| p.parse::<u64>().ok())
        .unwrap_or(0)
        * 4096
}

/// Lets this process and its children open as many files as the machine allows.
pub(crate) fn raise_open_files() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls read or write a live rlimit.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        let more = libc::rlimit {
            rlim_cur: 200_000,
            rlim_max: limit.rlim_max.max(200_000),
        };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &more) != 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
    }
    limit.rlim_cur
}

/// Flush times of the disk under `dir`: 512 octets written in place into a preallocated file, then `fdatasync`.
pub(crate) fn flush_times(dir: &Path, count: usize) -> anyhow::Result<Vec<Duration>> {
    let path = dir.join("flush-probe");
    let mut file = fs::File::create(&path).with_context(|| path.display().to_string())?;
    file.write_all(&vec![0; 1 << 20])?;
    file.sync_all()?;
    let mut times = Vec::with_capacity(count);
    for n in 0..count {
        let began = Instant::now();
        file.write_all_at(&[n as u8; 512], (n as u64 * 512) % (1 << 20))?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    fs::remove_file(path)?;
    times.sort_unstable();
    Ok(times)
}

/// What every number must be read with.
pub(crate) fn facts() -> Value {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .map(|l| l.trim_start_matches([' ', '\t', ':']).to_owned());
    let has = |flag: &str| {
        cpu.lines()
            .find(|l| l.starts_with("flags"))
            .is_some_and(|l| l.split(' ').any(|f| f == flag))
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "cpu": model, "cores": std::thread::available_parallelism().map_or(1, usize::from), "avx512ifma": has("avx512ifma"),
        "kernel": kernel.trim(), "load": fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
    })
}

/// A timer for absolute times: tokio's own counts in milliseconds, an order takes a third of one.
pub(crate) struct Ticker(AsyncFd<OwnedFd>);

impl Ticker {
    /// A new timer; needs a running tokio.
    pub(crate) fn new() -> anyhow::Result<Ticker> {
        // SAFETY: takes no pointers; the descriptor is owned from here on.
        let fd =
            unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
        ensure!(fd >= 0, "timerfd_create: {}", std::io::Error::last_os_error());
        // SAFETY: the descriptor was just made, belongs to nobody else and stays the same as long as it is registered.
        Ok(Ticker(unsafe { AsyncFd::register(OwnedFd::from_raw_fd(fd)) }?))
    }

    /// Waits until then; at once if that has passed.
    pub(crate) async fn until(&self, then: Instant) -> std::io::Result<()> {
        let left = then.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let value = libc::timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let spec = libc::itimerspec {
            it_interval: libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: value,
        };
        // SAFETY: the descriptor is open and the pointer is to a live itimerspec.
        unsafe { libc::timerfd_settime(self.0.as_raw_fd(), 0, &spec, std::ptr::null_mut()) };
        loop {
            let mut guard = self.0.readable().await?;
            let mut count = [0u8; 8];
            // SAFETY: reads at most eight octets into eight octets.
            if unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), 8) } == 8 {
                return Ok(());
            }
            guard.clear_ready();
        }
    }
}
