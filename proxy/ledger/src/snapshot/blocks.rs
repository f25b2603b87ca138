//! The file of a snapshot: blocks, each with the digest of itself and of the one before it, so that none is altered, lost or
//! of another file. Read one after the other, checked and understood by whoever took it.

use sha2::{Digest as _, Sha256};
use std::io::{self, Read, Write};

const MAGIC: &[u8; 16] = b"guandao snapshot";
const HEAD: usize = 5;
const SUM: usize = 32;

/// What a block holds; one follows the other, and only [`Kind::Orders`] itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    Names,
    Header,
    Orders,
    End,
}

/// Writes blocks.
pub(super) struct Writer<W> {
    out: W,
    sum: [u8; SUM],
}

impl<W: Write> Writer<W> {
    /// Begins a file of this form.
    pub(super) fn begin(mut out: W, form: [u8; SUM]) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        out.write_all(&form)?;
        Ok(Writer { out, sum: form })
    }

    pub(super) fn block(&mut self, kind: Kind, octets: &[u8]) -> io::Result<()> {
        let length = u32::try_from(octets.len()).map_err(io::Error::other)?;
        let mut head = [kind as u8; HEAD];
        head[1..].copy_from_slice(&length.to_le_bytes());
        self.sum = sum(&self.sum, &head, octets);
        self.out.write_all(&head)?;
        self.out.write_all(octets)?;
        self.out.write_all(&self.sum)
    }

    pub(super) fn end(mut self) -> io::Result<W> {
        self.block(Kind::End, &[])?;
        Ok(self.out)
    }
}

/// Takes blocks from a file, unchecked.
pub(super) struct Reader<R> {
    input: R,
    /// Octets that are left.
    left: u64,
    before: Option<([u8; SUM], Kind)>,
}

/// A block as it was found; its room is used again for the next one.
#[derive(Default)]
pub(super) struct Block {
    head: [u8; HEAD],
    before: [u8; SUM],
    octets: Vec<u8>,
}

impl Block {
    /// What stands in it, if it was written so.
    pub(super) fn checked(&self) -> Option<&[u8]> {
        let (octets, own) = self.octets.split_last_chunk()?;
        (sum(&self.before, &self.head, octets) == *own).then_some(octets)
    }
}

impl<R: Read> Reader<R> {
    /// `None` where it is not a snapshot of this form. `length`: of the whole file.
    pub(super) fn begin(mut input: R, length: u64, form: [u8; SUM]) -> Option<Self> {
        let mut front = [0; MAGIC.len() + SUM];
        input.read_exact(&mut front).ok()?;
        let own = front.starts_with(MAGIC) && front.ends_with(&form);
        own.then_some(Reader {
            input,
            left: length.checked_sub(front.len() as u64)?,
            before: Some((form, Kind::Names)),
        })
    }

    /// The next block. `None` where no block stands that may stand there; after the end nothing may.
    pub(super) fn next(&mut self, block: &mut Block) -> Option<Kind> {
        let (before, expected) = self.before.take()?;
        self.input.read_exact(&mut block.head).ok()?;
        let [number, length @ ..] = block.head;
        let kinds = [Kind::Names, Kind::Header, Kind::Orders, Kind::End];
        let kind = *kinds.get(usize::from(number))?;
        let orders = expected == Kind::Orders && kind == Kind::End;
        if kind != expected && !orders {
            return None;
        }
        let length = u32::from_le_bytes(length) as usize + SUM;
        self.left = self.left.checked_sub((HEAD + length) as u64)?;
        block.before = before;
        block.octets.resize(length, 0);
        self.input.read_exact(&mut block.octets).ok()?;
        let own = *block.octets.last_chunk()?;
        self.before = match kind {
            Kind::Names => Some((own, Kind::Header)),
            Kind::Header | Kind::Orders => Some((own, Kind::Orders)),
            Kind::End => None,
        };
        (kind != Kind::End || self.left == 0 && length == SUM).then_some(kind)
    }
}

fn sum(before: &[u8; SUM], head: &[u8; HEAD], octets: &[u8]) -> [u8; SUM] {
    let hash = Sha256::new().chain_update(before).chain_update(head);
    hash.chain_update(octets).finalize().into()
}
