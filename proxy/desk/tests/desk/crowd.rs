//! One host that takes every place it can get keeps nobody else out: neither officers nor the proxy that reads measures.

use crate::{
    browser::{Browser, connect},
    world::World,
};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpStream;

const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Connections that say nothing, more than a listener has places.
async fn crowd(listener: SocketAddr) -> Vec<TcpStream> {
    let mut idle = Vec::new();
    for _ in 0..600 {
        idle.push(connect(ELSEWHERE, listener).await.expect("a connection"));
    }
    idle
}

#[tokio::test(flavor = "multi_thread")]
async fn six_hundred_idle_connections_of_one_host_keep_nobody_out() {
    let world = World::new().await;
    let running = world.start().await;
    let idle = crowd(running.pages).await;
    let mut li = world.signed_in(&running, "li").await;
    assert_eq!(li.get("/").await.status, 200);
    drop(idle);
    let _idle = crowd(running.journal).await;
    let read = |file: &str| std::fs::read(world.at(&format!("tls/{file}"))).expect("read");
    let (ca, cert, key) = (read("ca.pem"), read("client.crt"), read("client.key"));
    let mut proxy = Browser::new(running.journal, &ca, Some((&cert, &key)));
    assert_eq!(proxy.get("/checkpoint").await.status, 200);
    running.stop().await;
}
