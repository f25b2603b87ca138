//! The disk as the journal sees it: few verbs, each with its promise, so that a simulated one can break none of them
//! and forget everything that was not synced.
#![allow(unsafe_code)] // flock has no safe form here

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::{fd::AsRawFd, unix::fs::FileExt},
    path::Path,
};

/// What the journal needs of a disk.
pub trait Disk: Send + Sync + 'static {
    /// The whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Names in a folder; empty if there is none.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes a folder and those above it.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes or replaces a file with these octets, not synced.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Makes or replaces a file with so many zeros, not synced.
    fn write_zeros(&self, path: &Path, size: u64) -> io::Result<()> {
        self.write(path, &vec![0; size as usize])
    }
    /// Makes the file's octets durable.
    fn sync(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Renames, replacing.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;
    /// Cuts a file to a length and makes that durable.
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()>;
    /// Opens an existing file for writing in place.
    fn open_log(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;
    /// Takes the folder for this process alone, until dropped.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
    /// Free octets, where known.
    fn free(&self, _dir: &Path) -> Option<u64> {
        None
    }
}

/// A file that is written in place.
pub trait LogFile: Send {
    /// Writes at a place.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// `fdatasync`.
    fn sync(&mut self) -> io::Result<()>;
}

/// The machine's own disk.
#[derive(Clone, Copy, Default, Debug)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        match fs::read_dir(dir) {
            Ok(entries) => entries
                .map(|e| e.map(|e| e.file_name().to_string_lossy().into_owned()))
                .collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::write(path, bytes)
    }

    fn write_zeros(&self, path: &Path, size: u64) -> io::Result<()> {
        // From a page that is always there: a whole segment of them in memory would be made, touched and wiped each time.
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        let (mut file, mut left) = (File::create(path)?, size);
        while left > 0 {
            let part = left.min(ZEROS.len() as u64);
            file.write_all(&ZEROS[..part as usize])?;
            left -= part;
        }
        Ok(())
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_data()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir(dir)
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(length)?;
        file.sync_all()
    }

    fn open_log(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(OpenOptions::new().write(true).open(path)?))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        // SAFETY: the descriptor is open; flock takes no pointers.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
            return Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                "another process writes this journal",
            ));
        }
        Ok(Box::new(file))
    }

    fn free(&self, dir: &Path) -> Option<u64> {
        let path = std::ffi::CString::new(dir.as_os_str().as_encoded_bytes()).ok()?;
        // SAFETY: statvfs writes into a struct of its own type; the path is a live C string.
        let mut facts: libc::statvfs = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        (unsafe { libc::statvfs(path.as_ptr(), &mut facts) } == 0).then(|| facts.f_bavail * facts.f_frsize)
    }
}

impl LogFile for File {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
