//! Values that exist nowhere else, and the search for them in files and in the memory of processes, in every encoding.

use super::*;
use crate::kills::files_under;

/// Octets of a value that count as the value: a part of it is no better than the whole.
pub(super) const PART: usize = 12;

/// Values that exist nowhere else, by name.
#[derive(Default)]
pub(super) struct Canaries(pub(super) Vec<(String, String)>);

impl Canaries {
    /// A text of random letters, as long as a name, an id or a remark.
    pub(super) fn text(&mut self, name: &str) -> String {
        let mut random = [0; 12];
        getrandom(&mut random);
        self.keep(name, format!("c4N{}", hex::encode(random)))
    }

    /// The same with Chinese, quotes, slashes and spaces, which every encoding writes in its own way.
    pub(super) fn odd_text(&mut self, name: &str) -> String {
        let mut random = [0; 8];
        getrandom(&mut random);
        self.keep(name, format!("买家/{} \"王+小&明\"", hex::encode(random)))
    }

    pub(super) fn digits(&mut self, name: &str, front: &str, count: usize) -> String {
        let mut random = vec![0; count];
        getrandom(&mut random);
        let digits: String = random.iter().map(|b| char::from(b'0' + b % 10)).collect();
        self.keep(name, format!("{front}{digits}"))
    }

    pub(super) fn address(&mut self, name: &str) -> String {
        let mut random = [0; 12];
        getrandom(&mut random);
        let words: Vec<String> = random
            .chunks(2)
            .map(|w| format!("{:x}", 0x1000 | u16::from_be_bytes([w[0], w[1]])))
            .collect();
        self.keep(name, format!("2001:db8:{}", words.join(":")))
    }

    pub(super) fn keep(&mut self, name: &str, value: String) -> String {
        self.0.push((name.to_owned(), value.clone()));
        value
    }
}

pub(super) fn getrandom(bytes: &mut [u8]) {
    aws_lc_rs::rand::fill(bytes).expect("the operating system gives randomness");
}

/// A value in one encoding.
pub(super) struct Needle {
    name: String,
    pub(super) octets: Vec<u8>,
}

/// Every way in which a value may lie somewhere, in parts of [`PART`] octets of the value's own.
fn needles(canaries: &Canaries) -> Vec<Needle> {
    let mut all = Vec::new();
    for (name, value) in &canaries.0 {
        let mut put = |how: &str, octets: Vec<u8>| {
            all.push(Needle {
                name: format!("{name} ({how})"),
                octets,
            })
        };
        let bytes = value.as_bytes();
        put("UTF-8, front", bytes[..PART.min(bytes.len())].to_vec());
        put(
            "UTF-8, middle",
            bytes[bytes.len() / 2 - PART / 2..][..PART].to_vec(),
        );
        put("UTF-8, end", bytes[bytes.len() - PART..].to_vec());
        put(
            "UTF-16",
            value.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        );
        put("hex", hex::encode(bytes).into_bytes());
        put("HEX", hex::encode_upper(bytes).into_bytes());
        for shift in 0..3 {
            // What stands before is unknown, so the first and the last group are left out.
            let text = STANDARD.encode([&b"???"[..shift], bytes].concat());
            let inner = &text.as_bytes()[if shift == 0 { 0 } else { 4 }..text.len() / 4 * 4 - 4];
            put(&format!("base64, shifted by {shift}"), inner.to_vec());
            let urlsafe = String::from_utf8_lossy(inner).replace('+', "-").replace('/', "_");
            put(&format!("base64url, shifted by {shift}"), urlsafe.into_bytes());
        }
        let json = serde_json::to_string(value).unwrap_or_default();
        put("JSON", json.trim_matches('"').as_bytes().to_vec());
        let escape = |upper: bool| -> String {
            value
                .encode_utf16()
                .map(|unit| match (unit, upper) {
                    (0x22, _) => "\\\"".to_owned(),
                    (0..0x80, _) => char::from(unit as u8).to_string(),
                    (_, true) => format!("\\u{unit:04X}"),
                    (_, false) => format!("\\u{unit:04x}"),
                })
                .collect()
        };
        put("JSON, escaped", escape(false).into_bytes());
        put("JSON, ESCAPED", escape(true).into_bytes());
        let percent = |plus: bool| -> String {
            bytes
                .iter()
                .map(|b| match b {
                    b' ' if plus => "+".to_owned(),
                    b if b.is_ascii_alphanumeric() => char::from(*b).to_string(),
                    b => format!("%{b:02X}"),
                })
                .collect()
        };
        put("percent", percent(false).into_bytes());
        put("form", percent(true).into_bytes());
    }
    let mut seen = BTreeSet::new();
    all.retain(|n| n.octets.len() >= 8 && seen.insert(n.octets.clone()));
    all
}

/// Looks for all needles at once: a table over the first two octets, then over the first four.
pub(super) struct Scanner {
    pub(super) needles: Vec<Needle>,
    begins: Vec<bool>,
    by_front: HashMap<[u8; 4], Vec<usize>>,
}

impl Scanner {
    pub(super) fn new(canaries: &Canaries) -> Scanner {
        let needles = needles(canaries);
        let (mut begins, mut by_front) = (vec![false; 1 << 16], HashMap::<[u8; 4], Vec<usize>>::new());
        for (n, needle) in needles.iter().enumerate() {
            let front = [
                needle.octets[0],
                needle.octets[1],
                needle.octets[2],
                needle.octets[3],
            ];
            begins[usize::from(u16::from_be_bytes([front[0], front[1]]))] = true;
            by_front.entry(front).or_default().push(n);
        }
        Scanner {
            needles,
            begins,
            by_front,
        }
    }

    /// Names of what is in there, with their places.
    pub(super) fn look(&self, bytes: &[u8]) -> Vec<(usize, &str)> {
        let mut found = Vec::new();
        let mut at = 0;
        while at + 4 <= bytes.len() {
            // Most of memory is zeros; no needle begins with one.
            if bytes[at] == 0 && bytes.len() - at >= 4096 && bytes[at..at + 4096] == [0; 4096] {
                at += 4096;
                continue;
            }
            if self.begins[usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1])] {
                let front = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
                for n in self.by_front.get(&front).into_iter().flatten() {
                    if bytes[at..].starts_with(&self.needles[*n].octets) {
                        found.push((at, self.needles[*n].name.as_str()));
                    }
                }
            }
            at += 1;
        }
        found
    }

    /// Every file under a folder except below these.
    pub(super) fn files(&self, dir: &Path, except: &[&str]) -> anyhow::Result<Looked> {
        let mut looked = Looked::default();
        for file in files_under(dir) {
            let name = file.strip_prefix(dir)?.display().to_string();
            if except.iter().any(|e| name.starts_with(e)) {
                continue;
            }
            // A file that has gone meanwhile holds nothing.
            let Ok(bytes) = std::fs::read(&file) else { continue };
            looked.octets += bytes.len();
            looked.places += 1;
            looked.found.extend(
                self.look(&bytes)
                    .into_iter()
                    .chain(self.look(name.as_bytes()))
                    .map(|(at, what)| format!("{what} in {name} at {at}")),
            );
        }
        Ok(looked)
    }

    /// Every writable page of a process. The system shows those of a process that lets nobody dump it to whoever has
    /// CAP_SYS_PTRACE, and to nobody else.
    pub(super) fn memory(&self, pid: u32) -> anyhow::Result<Looked> {
        let of = |file: &str| format!("/proc/{pid}/{file}");
        let opened = std::fs::read_to_string(of("maps")).and_then(|maps| Ok((maps, File::open(of("mem"))?)));
        let (maps, memory) = match opened {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Ok(Looked {
                    hidden: true,
                    ..Looked::default()
                });
            }
            opened => opened.context("memory of a process")?,
        };
        let mut looked = Looked::default();
        for line in maps.lines() {
            let mut words = line.split_whitespace();
            let (Some(range), Some(may), name) = (words.next(), words.next(), words.nth(3)) else {
                continue;
            };
            let Some((from, to)) = range.split_once('-') else {
                continue;
            };
            let (from, to) = (u64::from_str_radix(from, 16)?, u64::from_str_radix(to, 16)?);
            if !may.starts_with("rw") || name.is_some_and(|n| n.starts_with("[v")) {
                continue;
            }
            let mut bytes = vec![0; (to - from) as usize];
            let mut read = 0;
            while let Ok(n @ 1..) = memory.read_at(&mut bytes[read..], from + read as u64) {
                read += n;
            }
            looked.octets += read;
            looked.places += 1;
            let near = |at: usize| {
                String::from_utf8_lossy(&bytes[at.saturating_sub(48)..(at + 64).min(read)])
                    .replace(|c: char| c.is_control(), "·")
            };
            let say = |(at, what): (usize, &str)| {
                format!(
                    "{what} at {:x} of {}: {}",
                    from + at as u64,
                    name.unwrap_or("anonymous"),
                    near(at)
                )
            };
            looked
                .found
                .extend(self.look(&bytes[..read]).into_iter().map(say));
        }
        ensure!(
            looked.octets > 1 << 20,
            "hardly any memory could be read: {}",
            looked.octets
        );
        Ok(looked)
    }
}

#[derive(Default)]
pub(super) struct Looked {
    pub(super) places: usize,
    pub(super) octets: usize,
    pub(super) found: Vec<String>,
    /// Memory that this run may not read.
    pub(super) hidden: bool,
}

impl Looked {
    /// Says so where there was nothing to look at.
    fn is_hidden(&self, what: &str) -> bool {
        if self.hidden {
            println!("SKIPPED: {what}: memory of processes is read with CAP_SYS_PTRACE only");
        }
        self.hidden
    }

    pub(super) fn must_be_found(self, what: &str) -> anyhow::Result<()> {
        if self.is_hidden(what) {
            return Ok(());
        }
        ensure!(
            !self.found.is_empty(),
            "the scan did not find {what} in {} octets of memory",
            self.octets
        );
        println!(
            "{what}: found {} times in {} octets of memory",
            self.found.len(),
            self.octets
        );
        Ok(())
    }

    pub(super) fn must_be_clean(self, what: &str) -> anyhow::Result<()> {
        if self.is_hidden(what) {
            return Ok(());
        }
        println!(
            "{what}: {} places, {} octets, {} values found",
            self.places,
            self.octets,
            self.found.len()
        );
        ensure!(
            self.found.is_empty(),
            "{what} holds buyer data:\n{}",
            self.found.join("\n")
        );
        Ok(())
    }
}
