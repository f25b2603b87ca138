//! Takes the packing off, as a stream.

use super::{BillError, Layout};
use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{
    Crc,
    bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder},
};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use zip::{CompressionMethod, ZipArchive};

/// Most octets of the zip inside UnionPay's `fileContent`: that layer is small or it is a bomb.
const MOST_INNER: u64 = 256 << 20;
/// Most files that a bill's zip may have. Alipay's has two, UnionPay's a few.
const MOST_FILES: usize = 64;

type Stream<'a> = Box<dyn BufRead + Send + 'a>;

/// The text of a bill, and names of the files that it came in.
pub(super) fn unpack(layout: Layout, octets: &[u8]) -> Result<(Stream<'_>, Vec<String>), BillError> {
    match layout {
        Layout::WechatTrade | Layout::WechatFunds if octets.starts_with(&[0x1f, 0x8b]) => {
            // A gzip may be of several parts, one behind the other (RFC 1952, 2.2); the text is all of them.
            Ok((Box::new(BufReader::new(MultiGzDecoder::new(octets))), Vec::new()))
        }
        Layout::WechatTrade | Layout::WechatFunds => Ok((Box::new(octets), Vec::new())),
        Layout::AlipayTrade => {
            let (entry, names) = find(octets, |name| name.ends_with("业务明细.csv"))?;
            let packed = octets.get(entry.from..entry.from + entry.length).ok_or(CUT)?;
            Ok((entry.stream(packed)?, names))
        }
        Layout::Queried => Ok((Box::new(octets), Vec::new())),
        Layout::UnionpayAll => inner(octets, "ZM_"),
        Layout::UnionpayExceptions => inner(octets, "ZME_"),
    }
}

/// None of the files in the zip is the one that was looked for.
pub(super) const NO_FILE: BillError = BillError::Packing("the zip has no file with the bill's name");

const CUT: BillError = BillError::Packing("a file in the zip is cut");

/// `fileContent`: base64 of zlib of zip (channels.md 4.5).
fn inner(text: &[u8], kind: &'static str) -> Result<(Stream<'static>, Vec<String>), BillError> {
    let mut zip = inner_zip(text)?;
    let (entry, names) = find(&zip, |name| name.contains(kind))?;
    zip.truncate(entry.from + entry.length);
    let packed = Cursor::new(zip.split_off(entry.from));
    Ok((entry.stream(packed)?, names))
}

fn inner_zip(text: &[u8]) -> Result<Vec<u8>, BillError> {
    let packed = STANDARD
        .decode(text.trim_ascii())
        .map_err(|_| BillError::Packing("fileContent is not base64"))?;
    let mut zip = Vec::new();
    let mut whole = ZlibDecoder::new(packed.as_slice()).take(MOST_INNER + 1);
    whole
        .read_to_end(&mut zip)
        .map_err(|_| BillError::Packing("fileContent is not zlib"))?;
    if zip.len() as u64 > MOST_INNER {
        return Err(BillError::TooLarge(
            "the zip in fileContent is larger than 256 MiB",
        ));
    }
    Ok(zip)
}

/// Where a file lies in a zip.
struct Entry {
    from: usize,
    length: usize,
    size: u64,
    crc: u32,
    method: CompressionMethod,
}

/// The one file whose name fits, and all names. Names are GBK where the zip does not say UTF-8 (channels.md 3.7).
fn find(octets: &[u8], fits: impl Fn(&str) -> bool) -> Result<(Entry, Vec<String>), BillError> {
    let mut zip = ZipArchive::new(Cursor::new(octets)).map_err(|_| BillError::Packing("it is no zip"))?;
    if zip.len() > MOST_FILES {
        return Err(BillError::TooLarge("the zip has more than 64 files"));
    }
    let (mut names, mut found) = (Vec::new(), None);
    for index in 0..zip.len() {
        let file = zip
            .by_index_raw(index)
            .map_err(|_| BillError::Packing("its list of files is damaged"))?;
        let raw = file.name_raw();
        let name = std::str::from_utf8(raw).map_or_else(
            |_| super::alipay::gbk(raw).map(|name| name.into_owned()),
            |name| Some(name.to_owned()),
        );
        let name = name.ok_or(BillError::Packing("a file's name is neither UTF-8 nor GBK"))?;
        if fits(&name) {
            let entry = Entry {
                from: file
                    .data_start()
                    .and_then(|at| usize::try_from(at).ok())
                    .ok_or(CUT)?,
                length: usize::try_from(file.compressed_size()).map_err(|_| CUT)?,
                size: file.size(),
                crc: file.crc32(),
                method: file.compression(),
            };
            if file.encrypted()
                || entry
                    .from
                    .checked_add(entry.length)
                    .is_none_or(|end| end > octets.len())
            {
                return Err(CUT);
            }
            if found.replace(entry).is_some() {
                return Err(BillError::Packing("two files of the zip have the bill's name"));
            }
        }
        names.push(name);
    }
    Ok((found.ok_or(NO_FILE)?, names))
}

impl Entry {
    /// The file's text, its length and checksum compared at the end.
    fn stream<'a>(&self, packed: impl BufRead + Send + 'a) -> Result<Stream<'a>, BillError> {
        let (size, crc) = (self.size, self.crc);
        match self.method {
            CompressionMethod::Stored => Ok(Box::new(BufReader::new(Checked::new(packed, size, crc)))),
            CompressionMethod::Deflated => Ok(Box::new(BufReader::new(Checked::new(
                DeflateDecoder::new(packed),
                size,
                crc,
            )))),
            _ => Err(BillError::Packing("the zip is neither stored nor deflated")),
        }
    }
}

/// Compares length and checksum when the end is reached.
struct Checked<R> {
    inside: R,
    size: u64,
    expected: u32,
    sum: Crc,
    read: u64,
}

impl<R: Read> Checked<R> {
    fn new(inside: R, size: u64, expected: u32) -> Checked<R> {
        Checked {
            inside,
            size,
            expected,
            sum: Crc::new(),
            read: 0,
        }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inside.read(into)?;
        self.sum.update(&into[..count]);
        self.read += count as u64;
        let over = self.read > self.size;
        if over
            || (count == 0 && !into.is_empty() && (self.read, self.sum.sum()) != (self.size, self.expected))
        {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(count)
    }
}
