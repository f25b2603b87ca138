//! Pages for keys: locked so that they are never swapped, left out of core dumps, wiped in forked children, and wiped
//! when freed. Slots of 32 octets.
#![allow(unsafe_code)] // mmap, mlock and madvise have no safe form; this file is the only place

use parking_lot::Mutex;
use std::{ptr::NonNull, sync::Arc};
use zeroize::Zeroize;

const PAGE: usize = 4096;
const SLOT: usize = 32;

/// Why there is no place for a key.
#[derive(Debug, thiserror::Error)]
#[error("no locked memory for keys: {0}; raise LimitMEMLOCK (ulimit -l) to at least 1 MiB")]
pub struct LockError(std::io::Error);

/// A place that keys live in.
#[derive(Clone, Default)]
pub(crate) struct Locked(Arc<Mutex<Pages>>);

#[derive(Default)]
struct Pages {
    pages: Vec<NonNull<u8>>,
    free: Vec<(usize, usize)>,
}

// SAFETY: the pages are owned by `Pages` alone and only reached under its mutex or through a `LockedKey`, whose slot
// nobody else holds.
unsafe impl Send for Pages {}

/// One key of 32 octets in a locked page. Wiped when dropped.
pub(crate) struct LockedKey {
    home: Locked,
    slot: (usize, usize),
    at: NonNull<[u8; SLOT]>,
}

// SAFETY: the slot belongs to this key alone until it is dropped, and is written only when it is made and wiped.
unsafe impl Send for LockedKey {}
// SAFETY: shared references only read.
unsafe impl Sync for LockedKey {}

impl Locked {
    /// A new random key.
    pub(crate) fn random(&self) -> Result<LockedKey, LockError> {
        let key = self.slot()?;
        // SAFETY: the slot is ours, 32 octets long, inside a live page.
        let place = unsafe { &mut *key.at.as_ptr() };
        getrandom::fill(place).map_err(|e| LockError(std::io::Error::other(e.to_string())))?;
        Ok(key)
    }

    /// Takes a key over; the caller's copy is wiped.
    pub(crate) fn take(&self, bytes: &mut [u8; SLOT]) -> Result<LockedKey, LockError> {
        let key = self.slot()?;
        // SAFETY: as above.
        unsafe { &mut *key.at.as_ptr() }.copy_from_slice(bytes);
        bytes.zeroize();
        Ok(key)
    }

    fn slot(&self) -> Result<LockedKey, LockError> {
        let mut pages = self.0.lock();
        if pages.free.is_empty() {
            let page = map().map_err(LockError)?;
            pages.pages.push(page);
            let number = pages.pages.len() - 1;
            pages.free.extend((0..PAGE / SLOT).map(|slot| (number, slot)));
        }
        let slot = pages.free.pop().unwrap_or_default();
        // SAFETY: page and slot are within the mapping; the pointer is aligned for octets.
        let at = unsafe { pages.pages[slot.0].add(slot.1 * SLOT) }.cast();
        Ok(LockedKey {
            home: self.clone(),
            slot,
            at,
        })
    }
}

impl LockedKey {
    pub(crate) fn expose(&self) -> &[u8; SLOT] {
        // SAFETY: the slot is live as long as the key is.
        unsafe { self.at.as_ref() }
    }
}

impl Drop for LockedKey {
    fn drop(&mut self) {
        // SAFETY: nobody else holds the slot.
        unsafe { &mut *self.at.as_ptr() }.zeroize();
        self.home.0.lock().free.push(self.slot);
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        for page in &self.pages {
            // SAFETY: mapped by `map` with this length; every key holds the home alive, so none is left.
            unsafe { libc::munmap(page.as_ptr().cast(), PAGE) };
        }
    }
}

fn map() -> std::io::Result<NonNull<u8>> {
    // SAFETY: an anonymous mapping at no fixed address touches nothing that exists.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            PAGE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the mapping was just made with this length.
    let locked = unsafe {
        libc::mlock(page, PAGE) == 0
            && libc::madvise(page, PAGE, libc::MADV_DONTDUMP) == 0
            && libc::madvise(page, PAGE, libc::MADV_WIPEONFORK) == 0
    };
    if !locked {
        let error = std::io::Error::last_os_error();
        // SAFETY: as above.
        unsafe { libc::munmap(page, PAGE) };
        return Err(error);
    }
    NonNull::new(page.cast()).ok_or_else(std::io::Error::last_os_error)
}
