//! What is wrong with an address we are to send notices to. Not a URL library: it refuses what it does not know.

use std::net::IpAddr;

/// `None` if the address may be used. `private` permits private and loopback hosts, and `http` to loopback.
pub(super) fn fault(url: &str, private: bool) -> Option<&'static str> {
    if !url.bytes().all(|b| b.is_ascii_graphic()) {
        return Some("has blanks or characters outside ASCII");
    }
    let (https, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return Some("is not https"),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Some("names a user");
    }
    if rest.contains('#') {
        return Some("has a fragment");
    }
    let Some(host) = host(authority) else {
        return Some("has no lawful host or port");
    };
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>()
        .ok();
    let loopback = host.eq_ignore_ascii_case("localhost") || address.is_some_and(|a| a.is_loopback());
    match (https, private) {
        (false, true) if loopback => None,
        (false, _) => Some("is not https (http is for private loopback hosts only)"),
        (true, false) if loopback || address.is_some_and(|a| !is_public(a)) => {
            Some("names a private address without `private`")
        }
        (true, _) => None,
    }
}

/// The same address with a plain letter for each letter or digit of another script behind its host, which a browser escapes
/// by itself; what is in the host's place stays.
pub(super) fn with_plain_letters(url: &str) -> String {
    let host_ends = url
        .match_indices(['/', '?', '#'])
        .map(|(at, _)| at)
        .find(|at| *at >= "https://".len());
    let (before, behind) = url.split_at(host_ends.unwrap_or(url.len()));
    let plain = |c: char| match !c.is_ascii() && c.is_alphanumeric() {
        true => 'x',
        false => c,
    };
    before.chars().chain(behind.chars().map(plain)).collect()
}

/// The host of an address that [`fault`] finds nothing wrong with.
pub(super) fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    host(rest.split(['/', '?', '#']).next()?)
}

/// The host of `host`, `host:port`, `[v6]` or `[v6]:port`.
fn host(authority: &str) -> Option<&str> {
    let (host, port) = match authority.rfind(']') {
        Some(end) => (
            &authority[..=end],
            authority[end + 1..]
                .strip_prefix(':')
                .or((authority.len() == end + 1).then_some("443"))?,
        ),
        None => authority.split_once(':').unwrap_or((authority, "443")),
    };
    let port_ok = port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0);
    (port_ok && is_host(host)).then_some(host)
}

/// A name of letters, digits, dots and hyphens, or a bracketed IPv6 address.
pub(super) fn is_host(host: &str) -> bool {
    if let Some(v6) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return v6.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label =
        |l: &str| !l.is_empty() && l.len() <= 63 && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    host.len() <= 253 && host.split('.').all(label)
}

/// Reachable on the public network, as far as the number alone tells; names are judged when they are resolved.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => {
            let shared = a.octets()[0] == 100 && a.octets()[1] & 0xc0 == 64;
            !(a.is_private()
                || a.is_loopback()
                || a.is_link_local()
                || a.is_unspecified()
                || a.is_multicast()
                || a.is_broadcast()
                || shared)
        }
        IpAddr::V6(a) => match a.to_ipv4_mapped() {
            Some(v4) => is_public(IpAddr::V4(v4)),
            None => {
                !(a.is_loopback()
                    || a.is_unspecified()
                    || a.is_multicast()
                    || a.is_unique_local()
                    || a.is_unicast_link_local())
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{fault, with_plain_letters};

    #[test]
    fn https_to_public_hosts_only_unless_private() {
        for good in [
            "https://m.example/n",
            "https://m.example:8443/n?a=b",
            "https://[2606:4700::1]/n",
            "https://8.8.8.8",
        ] {
            assert_eq!(fault(good, false), None, "{good}");
        }
        let bad = [
            "http://m.example/n",
            "https://",
            "https://u@m.example/",
            "https://m.example/#x",
            "https://127.0.0.1/n",
            "https://10.0.0.1/",
            "https://[::1]/",
            "https://[fd00::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://100.64.0.1/",
            "https://localhost/n",
            "ftp://m.example",
            "https://m.example:0/",
            "https://m.example:99999/",
            "https://m .example/",
            "https://m..example/",
            "https://例.example/",
            "https://[::1/",
            "https://169.254.169.254/",
        ];
        for bad in bad {
            assert!(fault(bad, false).is_some(), "{bad}");
        }
    }

    #[test]
    fn letters_of_any_script_may_stand_behind_the_host() {
        for (url, plain) in [
            ("https://m.example/back?y=二", "https://m.example/back?y=x"),
            ("https://m.example?y=店2", "https://m.example?y=x2"),
            ("https://m.example/订单/1", "https://m.example/xx/1"),
        ] {
            assert_eq!(with_plain_letters(url), plain);
            assert!(fault(url, false).is_some() && fault(plain, false).is_none());
        }
        for bad in [
            "https://店.example/?y=二",
            "https://m.example．evil.example/",
            "https://m.example／evil",
            "https://m.example/?y=二\u{3000}",
            "https://m.example/?y=二\u{202e}",
            "https://m.example/?y=二 x",
            "https://m.example/?y=二#x",
            "https://u@m.example/?y=二",
        ] {
            assert!(fault(&with_plain_letters(bad), true).is_some(), "{bad}");
        }
    }

    #[test]
    fn private_permits_loopback_and_http_to_it() {
        for good in [
            "http://127.0.0.1:9000/n",
            "http://localhost:9000/n",
            "http://[::1]:9000/",
            "https://10.0.0.1/",
        ] {
            assert_eq!(fault(good, true), None, "{good}");
        }
        for bad in ["http://10.0.0.1/", "http://m.example/"] {
            assert!(fault(bad, true).is_some(), "{bad}");
        }
    }
}
