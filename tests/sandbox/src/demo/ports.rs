//! Ports for services that are started a moment later, some in processes of their own.
//!
//! A number that the system gave out is not ours any more once it is let go: the next connection that anybody opens may
//! leave from it, and the service that was to listen there ends at its start. So ports come from below the range that the
//! system gives out, and never twice in a process.

use anyhow::Context;
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};
use tokio::net::TcpSocket;

const FIRST: u32 = 10_000;

/// `N` ports of loopback on which nobody listens, none of which the system gives to a connection.
pub fn free<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut held = Vec::with_capacity(N);
    for _ in 0..30_000 {
        if held.len() == N {
            break;
        }
        held.extend(bound(next()));
    }
    let ports = held
        .iter()
        .map(|l| l.local_addr().map(|a| a.port()))
        .collect::<Result<Vec<_>, _>>()?;
    ports
        .try_into()
        .ok()
        .with_context(|| format!("no {N} free ports from {FIRST} up"))
}

/// Bound and never listening: a process that another thread is just starting has a copy of it for a moment, and a copy
/// that listened would keep the service away that the port is for.
fn bound(port: u16) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket)
}

/// The next number: processes start at different ones.
fn next() -> u16 {
    static NEXT: OnceLock<(AtomicU32, u32)> = OnceLock::new();
    let (next, span) = NEXT.get_or_init(|| {
        let given_out = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
        let lowest = given_out
            .and_then(|t| t.split_whitespace().next()?.parse().ok())
            .unwrap_or(32_768_u32);
        // Where the system gives out nearly all numbers there is nothing below: any is as good as another.
        let span = if lowest > FIRST + 2_000 {
            lowest - FIRST
        } else {
            50_000
        };
        (AtomicU32::new(std::process::id().wrapping_mul(131)), span)
    });
    let number = FIRST + next.fetch_add(1, Ordering::Relaxed) % span;
    u16::try_from(number).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn ports_come_once_and_can_be_had() {
        let all: Vec<_> = (0..40).flat_map(|_| super::free::<9>().expect("ports")).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(
            all.iter()
                .all(|p| std::net::TcpListener::bind(("127.0.0.1", *p)).is_ok())
        );
    }
}
