//! The watcher in front of hyper, against hyper's own reader: they may never tell of different heads.

use proxy::accept::Heads;

/// Part 1 is how the wire is cut; the rest is the wire.
pub(crate) fn head(data: &[u8]) {
    let Some((size, wire)) = data.split_first() else {
        return;
    };
    let heads = Heads::of(wire.chunks(usize::from(*size).max(1)));
    let mut rest = wire;
    for _ in 0..32 {
        let mut slots = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut slots);
        let Ok(httparse::Status::Complete(end)) = request.parse(rest) else {
            return;
        };
        let facts = heads.next();
        let of = |name: &str| {
            request
                .headers
                .iter()
                .filter(|h| h.name.eq_ignore_ascii_case(name))
                .collect::<Vec<_>>()
        };
        let (hosts, lengths, codings) = (of("host"), of("content-length"), of("transfer-encoding"));
        // A head that is refused anyway ends the connection; nothing after it counts.
        if facts.must_close() {
            return;
        }
        assert_eq!(
            facts.hosts as usize,
            hosts.len(),
            "hosts of {:?}",
            String::from_utf8_lossy(&rest[..end])
        );
        assert_eq!(facts.content_lengths as usize, lengths.len());
        assert_eq!(facts.transfer_encodings as usize, codings.len());
        let length = match lengths[..] {
            [] => 0,
            [one] => match std::str::from_utf8(one.value)
                .ok()
                .filter(|v| v.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|v| v.parse::<usize>().ok())
            {
                Some(length) => length,
                // hyper refuses it and closes.
                None => return,
            },
            _ => unreachable!("closed above"),
        };
        let Some(after) = rest.get(end..).and_then(|r| r.get(length..)) else {
            return;
        };
        rest = after;
    }
}
