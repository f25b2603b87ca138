//! What hyper does not tell of a request's head: both framings at once, more than one `Host`, an unknown transfer
//! coding. A reader in front of hyper looks at each head as it passes and changes nothing.
//!
//! After a request with a transfer coding, and after any head that is refused, the connection closes: so the next head
//! need not be found behind chunks, and no reading of a doubtful head decides which facts belong to the head after it.

use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const MOST_HEAD: usize = 64 << 10;

/// Facts of one head.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct HeadFacts {
    /// Number of `Content-Length` fields.
    pub content_lengths: u8,
    /// Number of `Transfer-Encoding` fields.
    pub transfer_encodings: u8,
    /// A transfer coding other than exactly `chunked`.
    pub odd_coding: bool,
    /// Number of `Host` fields.
    pub hosts: u8,
    /// The body ended with trailers.
    pub trailers: bool,
    /// A line ended without a carriage return, or a field name had a space before its colon.
    pub sloppy: bool,
    /// `Content-Length` is not digits only.
    pub odd_length: bool,
}

impl HeadFacts {
    /// True if the place of the next head is not known for sure.
    pub fn must_close(&self) -> bool {
        self.transfer_encodings > 0
            || self.content_lengths > 1
            || self.hosts != 1
            || self.sloppy
            || self.odd_length
    }
}

/// Facts of heads seen and not yet asked for.
#[derive(Clone, Default)]
pub struct Heads(Arc<Mutex<VecDeque<HeadFacts>>>);

impl Heads {
    /// Facts of all heads on a wire that came in these pieces (for fuzzing).
    pub fn of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Heads {
        let (mut watched, heads) = watch(());
        pieces.into_iter().for_each(|piece| watched.see(piece));
        heads
    }

    /// Facts of the next head; those of no lawful head where it was not seen.
    pub fn next(&self) -> HeadFacts {
        self.0.lock().pop_front().unwrap_or_default()
    }
}

/// Looks at each head that is read from `stream`.
pub(super) fn watch<I>(stream: I) -> (Watched<I>, Heads) {
    let heads = Heads::default();
    (
        Watched {
            stream,
            heads: heads.clone(),
            state: State::Head(Vec::new()),
        },
        heads,
    )
}

enum State {
    Head(Vec<u8>),
    Body(u64),
    Lost,
}

pub(super) struct Watched<I> {
    stream: I,
    heads: Heads,
    state: State,
}

impl<I> Watched<I> {
    fn see(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Lost => return,
                State::Body(left) => {
                    let part = (*left).min(bytes.len() as u64);
                    *left -= part;
                    bytes = &bytes[part as usize..];
                    if *left == 0 {
                        self.state = State::Head(Vec::new());
                    }
                }
                State::Head(head) => {
                    let before = head.len();
                    head.extend_from_slice(bytes);
                    let Some(end) = end_of_head(head, before) else {
                        if head.len() > MOST_HEAD {
                            self.state = State::Lost;
                        }
                        return;
                    };
                    bytes = &bytes[end - before..];
                    let (facts, body) = facts(&head[..end]);
                    self.heads.0.lock().push_back(facts);
                    self.state = match body {
                        _ if facts.must_close() => State::Lost,
                        None => State::Lost,
                        Some(0) => State::Head(Vec::new()),
                        Some(body) => State::Body(body),
                    };
                }
            }
        }
    }
}

/// Index behind the empty line, looking only where new bytes may have completed it. hyper takes a line feed alone for
/// the end of a line, so both ends are ends here.
fn end_of_head(head: &[u8], before: usize) -> Option<usize> {
    let from = before.saturating_sub(3);
    let mut feeds = (from..head.len()).filter(|i| head[*i] == b'\n');
    feeds.find_map(|i| match &head[i + 1..] {
        [b'\n', ..] => Some(i + 2),
        [b'\r', b'\n', ..] => Some(i + 3),
        _ => None,
    })
}

/// The facts, and the length of the body (`None` where it cannot be told).
fn facts(head: &[u8]) -> (HeadFacts, Option<u64>) {
    let bare = |(i, octet): (usize, &u8)| *octet == b'\n' && (i == 0 || head[i - 1] != b'\r');
    let mut facts = HeadFacts {
        sloppy: head.iter().enumerate().any(bare),
        ..HeadFacts::default()
    };
    let mut length = Some(0);
    for line in head.split(|b| *b == b'\n').skip(1) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        facts.sloppy |= name.last().is_some_and(u8::is_ascii_whitespace);
        if name.eq_ignore_ascii_case(b"host") {
            facts.hosts = facts.hosts.saturating_add(1);
        } else if name.eq_ignore_ascii_case(b"content-length") {
            facts.content_lengths = facts.content_lengths.saturating_add(1);
            length = std::str::from_utf8(value)
                .ok()
                .filter(|v| v.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|v| v.parse().ok());
            facts.odd_length |= length.is_none();
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            facts.transfer_encodings = facts.transfer_encodings.saturating_add(1);
            facts.odd_coding |= !value.eq_ignore_ascii_case(b"chunked");
        }
    }
    (facts, length)
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = polled {
            let this = &mut *self;
            this.see(&buf.filled()[before..]);
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(pieces: &[&[u8]]) -> Vec<HeadFacts> {
        let heads = Heads::of(pieces.iter().copied());
        heads.0.lock().iter().copied().collect()
    }

    #[test]
    fn finds_each_head_whatever_the_pieces() {
        let wire = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n";
        for size in 1..wire.len() {
            let pieces: Vec<&[u8]> = wire.chunks(size).collect();
            let heads = seen(&pieces);
            assert_eq!(heads.len(), 2, "pieces of {size}");
            assert_eq!(
                (heads[0].hosts, heads[0].content_lengths, heads[1].hosts),
                (1, 1, 2)
            );
        }
    }

    #[test]
    fn tells_both_framings_and_odd_codings() {
        let both =
            seen(&[b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]);
        assert_eq!(
            (
                both[0].content_lengths,
                both[0].transfer_encodings,
                both[0].odd_coding
            ),
            (1, 1, false)
        );
        let odd = seen(&[b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"]);
        assert!(odd[0].odd_coding);
        assert!(seen(&[b"GET / HTTP/1.1\nHost: x\n\n"])[0].sloppy);
        assert!(seen(&[b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\n"])[0].odd_length);
    }

    #[test]
    fn what_hyper_may_count_differently_ends_the_connection() {
        // hyper skips empty lines in front of a request; we see a head there, and give the next head's facts away.
        for wire in [
            &b"\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nHost: x\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        ] {
            assert!(Heads::of([wire]).next().must_close());
        }
        assert!(Heads::default().next().must_close());
        assert!(
            !Heads::of([&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..]])
                .next()
                .must_close()
        );
    }
}
