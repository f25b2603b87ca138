//! Those who never finish: each connection ends within its cap, and others are served meanwhile.

use super::{
    MARK, Yard,
    wire::{At, Said, Until, hear},
};
use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const HANDSHAKE: Duration = Duration::from_secs(10);
const HEAD: Duration = Duration::from_secs(25);
const BODY: Duration = Duration::from_secs(10);
/// The machine may be busy.
const GRACE: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_slow_are_cut_off_and_others_served() {
    let yard = Yard::open().await;
    let crowd: Vec<_> = (0..150).map(|_| drip_head(&yard, At::Api)).collect();
    tokio::join!(
        crowd_of(crowd),
        drip_head(&yard, At::Wechat),
        drip_head(&yard, At::Metrics),
        drip_body(&yard, At::Api, "/v1/payments"),
        drip_body(&yard, At::Wechat, "/v3/pay/transactions/native"),
        drip_body(&yard, At::Alipay, "/gateway.do"),
        drip_body(&yard, At::Notify, "/n/wechat/1900000109"),
        drip_chunks(&yard),
        no_handshake(&yard, b""),
        no_handshake(&yard, b"GET / HTTP/1.1\r\nHost: hostileqzmark\r\n\r\n"),
        half_closed(&yard),
        gone(&yard),
        served(&yard),
    );
    yard.close().await;
}

async fn crowd_of(crowd: Vec<impl Future<Output = ()>>) {
    let mut crowd: Vec<_> = crowd.into_iter().map(Box::pin).collect();
    // Polled together by hand: no further crate for it.
    std::future::poll_fn(|context| {
        crowd.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if crowd.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

/// A header that grows by a few octets every two seconds.
async fn drip_head(yard: &Yard, at: At) {
    let mut stream = yard.connect(at).await;
    let began = Instant::now();
    let _ = stream
        .write_all(format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX-{MARK}: ").as_bytes())
        .await;
    let mut buffer = [0; 1024];
    let mut said = Said::default();
    loop {
        match tokio::time::timeout(Duration::from_secs(2), stream.read(&mut buffer)).await {
            Ok(Ok(0)) | Ok(Err(_)) => break,
            Ok(Ok(n)) => said.all.extend_from_slice(&buffer[..n]),
            Err(_) if began.elapsed() > HEAD + GRACE => {
                return yard.must(false, || format!("{at:?}: a slow head is not cut off"));
            }
            Err(_) => drop(stream.write_all(MARK.as_bytes()).await),
        }
    }
    // hyper answers nothing or 408.
    let text = String::from_utf8_lossy(&said.all).into_owned();
    yard.must(text.is_empty() || text.starts_with("HTTP/1.1 4"), || {
        format!("{at:?}: a slow head got {text}")
    });
    yard.must(began.elapsed() > HEAD / 2, || {
        format!("{at:?}: a slow head was cut off after {:?}", began.elapsed())
    });
}

/// One octet of a body every half second.
async fn drip_body(yard: &Yard, at: At, path: &str) {
    let mut stream = yard.connect(at).await;
    let began = Instant::now();
    let _ = stream.write_all(format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{MARK}").as_bytes()).await;
    let said = drip(&mut stream, b"x", began).await;
    let reason = if at == At::Notify {
        "body_too_slow"
    } else {
        "ten seconds"
    };
    yard.refused(at, "a slow body", &said, reason);
    yard.must(said.closed && began.elapsed() < BODY + GRACE, || {
        format!("{at:?}: after {:?} {said:?}", began.elapsed())
    });
}

async fn drip_chunks(yard: &Yard) {
    let mut stream = yard.connect(At::Api).await;
    let began = Instant::now();
    let _ = stream
        .write_all(b"POST /v1/payments HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let said = drip(&mut stream, b"1\r\nx\r\n", began).await;
    yard.refused(At::Api, "slow chunks", &said, "body_too_slow");
}

async fn drip(stream: &mut Box<dyn super::wire::Stream>, piece: &[u8], began: Instant) -> Said {
    while began.elapsed() < BODY + GRACE {
        let said = hear(stream, Duration::from_millis(500), Until::End).await;
        if said.status.is_some() || said.closed {
            return said;
        }
        let _ = stream.write_all(piece).await;
    }
    Said::default()
}

/// No TLS, or something that is none.
async fn no_handshake(yard: &Yard, first: &[u8]) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, yard.port(At::Api)))
        .await
        .expect("listens");
    let began = Instant::now();
    let _ = stream.write_all(first).await;
    let mut all = Vec::new();
    let ended = tokio::time::timeout(HANDSHAKE + GRACE, stream.read_to_end(&mut all)).await;
    yard.must(ended.is_ok() && !all.starts_with(b"HTTP"), || {
        format!(
            "without TLS: after {:?} {}",
            began.elapsed(),
            String::from_utf8_lossy(&all)
        )
    });
}

/// Says half a request, then that it will say no more.
async fn half_closed(yard: &Yard) {
    for half in [
        format!("POST /v1/payments HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{MARK}"),
        format!("POST /v1/pay{MARK}"),
    ] {
        let mut stream = yard.connect(At::Api).await;
        let _ = stream.write_all(half.as_bytes()).await;
        let _ = stream.shutdown().await;
        let said = hear(&mut stream, BODY + GRACE, Until::End).await;
        yard.must(
            said.closed && said.status.is_none_or(|s| (400..500).contains(&s)),
            || format!("half a request: {said:?}"),
        );
    }
}

/// Goes away in the middle, often.
async fn gone(yard: &Yard) {
    for n in 0..60 {
        let mut stream = yard.connect(At::Api).await;
        let request = format!("POST /v1/payments HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n{MARK}");
        let _ = stream
            .write_all(&request.as_bytes()[..request.len().min(n * 2)])
            .await;
        drop(stream);
    }
}

/// Meanwhile an honest merchant is served, and promptly.
async fn served(yard: &Yard) {
    let merchant = yard.demo.merchant(0).expect("merchant");
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    let mut served = 0;
    while began.elapsed() < HEAD {
        let body = serde_json::json!({ "order_no": yard.demo.next_number(), "channel": "wechat", "pay_way": "native", "amount": 100, "description": "tea" });
        let asked = Instant::now();
        let answer = merchant.ask("POST", "/v1/payments", Some(&body)).await;
        slowest = slowest.max(asked.elapsed());
        yard.must(
            answer.as_ref().is_ok_and(|a| a.status == 201 || a.status == 202),
            || format!("an honest order meanwhile: {answer:?}"),
        );
        served += 1;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    println!("{served} honest orders meanwhile, the slowest in {slowest:?}");
    yard.must(slowest < Duration::from_secs(5), || {
        format!("an honest order took {slowest:?}")
    });
}
