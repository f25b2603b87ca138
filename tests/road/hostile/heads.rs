//! Heads, framings, targets: what hyper takes and we do not, on every listener.

use super::{
    MARK, Yard,
    wire::{At, Until},
};
use std::fmt::Write;

/// A request that would be read further, were it not for what is done to it.
struct Lawful {
    at: At,
    path: &'static str,
    kind: &'static str,
    port: u16,
}

impl Lawful {
    fn all(yard: &Yard) -> Vec<Lawful> {
        let of = |at, path, kind| Lawful {
            at,
            path,
            kind,
            port: yard.port(at),
        };
        vec![
            of(At::Api, "/v1/payments", "application/json"),
            of(At::Wechat, "/v3/pay/transactions/native", "application/json"),
            of(At::Alipay, "/gateway.do", "application/x-www-form-urlencoded"),
            of(At::Notify, "/n/wechat/1900000109", "application/json"),
            of(
                At::NotifyAlipay,
                "/n/alipay/2021000066965330",
                "application/x-www-form-urlencoded",
            ),
            of(At::Metrics, "/metrics", "text/plain"),
        ]
    }

    fn host(&self) -> String {
        format!("Host: 127.0.0.1:{}\r\n", self.port)
    }

    fn body(&self) -> String {
        format!("{{\"{MARK}\":\"{MARK}\"}}")
    }

    /// With these header lines instead of its own framing, and this behind the head.
    fn with(&self, lines: &str, rest: &str) -> Vec<u8> {
        format!(
            "POST {} HTTP/1.1\r\n{}Content-Type: {}\r\n{lines}\r\n{rest}",
            self.path,
            self.host(),
            self.kind
        )
        .into_bytes()
    }

    /// Whole, with one header line more.
    fn and(&self, line: &str) -> Vec<u8> {
        let body = self.body();
        self.with(&format!("Content-Length: {}\r\n{line}\r\n", body.len()), &body)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_framings_and_targets() {
    let yard = Yard::open().await;
    for lawful in Lawful::all(&yard) {
        framings(&yard, &lawful).await;
        hosts(&yard, &lawful).await;
        tricks(&yard, &lawful).await;
        tunnel(&yard, &lawful).await;
        no_http(&yard, &lawful).await;
        one_head_is_not_another(&yard, &lawful).await;
    }
    targets(&yard).await;
    metrics(&yard).await;
    journal(&yard).await;
    yard.close().await;
}

async fn framings(yard: &Yard, lawful: &Lawful) {
    let body = lawful.body();
    let (length, chunks) = (body.len(), format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
    let cases = [
        (
            "both framings",
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
            &chunks,
            "not both",
        ),
        (
            "both, turned",
            "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n".into(),
            &chunks,
            "not both",
        ),
        (
            "two lengths",
            format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"),
            &body,
            "one framing",
        ),
        (
            "gzip, chunked",
            "Transfer-Encoding: gzip, chunked\r\n".into(),
            &chunks,
            "`chunked`",
        ),
        (
            "two codings",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".into(),
            &chunks,
            "one framing",
        ),
        (
            "trailers",
            "Transfer-Encoding: chunked\r\nTrailer: x\r\n".into(),
            &format!("{length:x}\r\n{body}\r\n0\r\nX-{MARK}: {MARK}\r\n\r\n"),
            "Trailers",
        ),
    ];
    let large = MARK.repeat(5100);
    assert!(large.len() > 65_536);
    let chunked = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    for (what, lines, rest, reason) in cases {
        let wire = lawful.with(&lines, rest);
        let said = yard.say_until(lawful.at, &wire, Until::End).await;
        refused(yard, lawful, what, &said, reason);
        yard.must(said.closed, || {
            format!("{:?} {what}: the connection stays open", lawful.at)
        });
    }
    let oversized = yard
        .say(
            lawful.at,
            &lawful.with(&format!("Content-Length: {}\r\n", large.len()), &large),
        )
        .await;
    refused(yard, lawful, "65 KiB", &oversized, "65536");
    let oversized = yard
        .say(
            lawful.at,
            &lawful.with("Transfer-Encoding: chunked\r\n", &chunked),
        )
        .await;
    refused(yard, lawful, "65 KiB in chunks", &oversized, "65536");
}

/// Notices' refusals have a fixed text; the reason stands in the log only.
fn refused(yard: &Yard, lawful: &Lawful, what: &str, said: &super::Said, reason: &str) {
    let silent = matches!(lawful.at, At::Notify | At::NotifyAlipay);
    yard.refused(lawful.at, what, said, if silent { "" } else { reason });
}

async fn hosts(yard: &Yard, lawful: &Lawful) {
    let (body, mine) = (lawful.body(), lawful.host());
    let with = |hosts: &str| {
        format!(
            "POST {} HTTP/1.1\r\n{hosts}Content-Type: {}\r\nContent-Length: {}\r\n\r\n{body}",
            lawful.path,
            lawful.kind,
            body.len()
        )
    };
    for (what, hosts) in [
        ("no Host", String::new()),
        ("two Hosts", format!("{mine}{mine}")),
        ("two Hosts that differ", format!("{mine}Host: {MARK}.example\r\n")),
    ] {
        refused(
            yard,
            lawful,
            what,
            &yard.say(lawful.at, with(&hosts).as_bytes()).await,
            "one Host",
        );
    }
    if matches!(lawful.at, At::Wechat | At::Alipay) {
        for host in [
            format!("{MARK}.example"),
            "api.mch.weixin.qq.com".into(),
            "localhost".into(),
            format!("127.0.0.1.{MARK}"),
            String::new(),
            "127.0.0.1:80:80".into(),
        ] {
            if lawful.at == At::Wechat || host != "openapi.alipay.com" {
                let said = yard
                    .say(lawful.at, with(&format!("Host: {host}\r\n")).as_bytes())
                    .await;
                refused(
                    yard,
                    lawful,
                    "another listener's Host",
                    &said,
                    "does not name this listener",
                );
            }
        }
    }
}

async fn tricks(yard: &Yard, lawful: &Lawful) {
    let coding = format!("Content-Encoding: {MARK}");
    let lines = [
        (format!("Upgrade: {MARK}\r\nConnection: upgrade"), "upgrade"),
        ("X-HTTP-Method-Override: DELETE".into(), "x-http-method-override"),
        (format!("X-HTTP-Method: {MARK}"), "x-http-method"),
        (format!("X-Method-Override: {MARK}"), "x-method-override"),
    ];
    for (line, reason) in lines {
        refused(
            yard,
            lawful,
            reason,
            &yard.say(lawful.at, &lawful.and(&line)).await,
            reason,
        );
    }
    if lawful.at == At::Wechat || lawful.at == At::Alipay {
        refused(
            yard,
            lawful,
            "coded body",
            &yard.say(lawful.at, &lawful.and(&coding)).await,
            "content-encoding",
        );
    }
    let body = lawful.body();
    let get = format!(
        "GET {} HTTP/1.1\r\n{}Content-Length: {}\r\n\r\n{body}",
        lawful.path,
        lawful.host(),
        body.len()
    );
    refused(
        yard,
        lawful,
        "body on GET",
        &yard.say(lawful.at, get.as_bytes()).await,
        "GET takes no body",
    );
    let old = format!(
        "POST {} HTTP/1.0\r\n{}Content-Length: {}\r\n\r\n{body}",
        lawful.path,
        lawful.host(),
        body.len()
    );
    refused(
        yard,
        lawful,
        "HTTP/1.0",
        &yard.say(lawful.at, old.as_bytes()).await,
        "HTTP/1.1",
    );
    let bare = format!(
        "POST {} HTTP/1.1\n{}Content-Length: {}\n\n{body}",
        lawful.path,
        lawful.host().replace('\r', ""),
        body.len()
    );
    refused(
        yard,
        lawful,
        "bare line feeds",
        &yard.say(lawful.at, bare.as_bytes()).await,
        "CRLF",
    );
    // Alipay's own clients send the absolute form, with the host in it that they were given.
    let name = if lawful.at == At::Alipay {
        format!("{MARK}.example")
    } else {
        "127.0.0.1".into()
    };
    let absolute = format!(
        "POST https://{name}:{}{} HTTP/1.1\r\n{}Content-Length: {}\r\n\r\n{body}",
        lawful.port,
        lawful.path,
        lawful.host(),
        body.len()
    );
    if !matches!(lawful.at, At::Notify | At::NotifyAlipay | At::Metrics) {
        refused(
            yard,
            lawful,
            "absolute form",
            &yard.say(lawful.at, absolute.as_bytes()).await,
            "origin form",
        );
        let odd = format!("OPTIONS * HTTP/1.1\r\n{}\r\n", lawful.host());
        refused(
            yard,
            lawful,
            "OPTIONS *",
            &yard.say(lawful.at, odd.as_bytes()).await,
            "origin form",
        );
    }
}

/// A tunnel is refused in plain HTTP on every listener: a 200 in Alipay's language would be one.
async fn tunnel(yard: &Yard, lawful: &Lawful) {
    for target in [
        "127.0.0.1:443",
        "openapi.alipay.com:443",
        &format!("{MARK}.example:443"),
    ] {
        let said = yard
            .say(
                lawful.at,
                format!("CONNECT {target} HTTP/1.1\r\n{}\r\n", lawful.host()).as_bytes(),
            )
            .await;
        yard.must(
            said.status == Some(405) && said.text().contains("no tunnel"),
            || format!("{:?} CONNECT {target}: {said:?}", lawful.at),
        );
    }
}

async fn no_http(yard: &Yard, lawful: &Lawful) {
    let body = lawful.body();
    let head = format!("POST {} HTTP/1.1\r\n{}", lawful.path, lawful.host());
    let mut bomb = head.clone();
    (0..80).for_each(|n| {
        let _ = write!(bomb, "X-{MARK}-{n}: {MARK}\r\n");
    });
    let cases: Vec<(&str, Vec<u8>)> = vec![
        (
            "gzip only",
            format!("{head}Transfer-Encoding: gzip\r\n\r\n{body}").into(),
        ),
        (
            "two lengths that differ",
            format!("{head}Content-Length: 5\r\nContent-Length: 6\r\n\r\n{body}").into(),
        ),
        (
            "a list of lengths",
            format!("{head}Content-Length: 5, 5\r\n\r\n{body}").into(),
        ),
        (
            "a negative length",
            format!("{head}Content-Length: -1\r\n\r\n{body}").into(),
        ),
        (
            "a signed length",
            format!("{head}Content-Length: +5\r\n\r\n{body}").into(),
        ),
        (
            "a huge length",
            format!("{head}Content-Length: 99999999999999999999999\r\n\r\n{body}").into(),
        ),
        (
            "space before the colon",
            format!("{head}X-{MARK} : {MARK}\r\n\r\n").into(),
        ),
        (
            "a folded line",
            format!("{head}X-{MARK}: a\r\n {MARK}\r\n\r\n").into(),
        ),
        (
            "NUL in a header",
            format!("{head}X-{MARK}: \0{MARK}\r\n\r\n").into(),
        ),
        (
            "NUL in the target",
            format!("POST {}\0{MARK} HTTP/1.1\r\n{}\r\n", lawful.path, lawful.host()).into(),
        ),
        (
            "space in the target",
            format!("POST {} {MARK} HTTP/1.1\r\n{}\r\n", lawful.path, lawful.host()).into(),
        ),
        (
            "octets in the target",
            [
                b"POST /\xff\xfe",
                MARK.as_bytes(),
                b" HTTP/1.1\r\nHost: x\r\n\r\n",
            ]
            .concat(),
        ),
        (
            "an endless header",
            format!("{head}X-{MARK}: {}", MARK.repeat(6000)).into(),
        ),
        ("a header bomb", format!("{bomb}\r\n").into()),
        (
            "an endless target",
            format!("GET /{} HTTP/1.1\r\n{}\r\n", MARK.repeat(6000), lawful.host()).into(),
        ),
        ("garbage", format!("\u{1}\u{2}{MARK}\r\n\r\n").into()),
        (
            "another protocol",
            format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{MARK}").into(),
        ),
        (
            "a carriage return alone",
            format!("{head}X-{MARK}: a\rb\r\n\r\n").into(),
        ),
        (
            "a method of no letters",
            format!("{{{MARK}}} / HTTP/1.1\r\n{}\r\n", lawful.host()).into(),
        ),
        (
            "a bad chunk",
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{MARK}\r\n").into(),
        ),
        (
            "a huge chunk",
            format!("{head}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{MARK}").into(),
        ),
    ];
    for (what, wire) in cases {
        yard.bare(
            lawful.at,
            what,
            &yard.say_until(lawful.at, &wire, Until::End).await,
        );
    }
}

/// Two requests in one write, the first with something that two readers could count differently: whatever facts the
/// second would be given, it is not answered.
async fn one_head_is_not_another(yard: &Yard, lawful: &Lawful) {
    let good = format!("GET {} HTTP/1.1\r\n{}\r\n", lawful.path, lawful.host());
    let evil = format!(
        "GET {} HTTP/1.1\r\n{}Host: {MARK}\r\n\r\n",
        lawful.path,
        lawful.host()
    );
    for (what, first) in [
        ("empty lines in front", format!("\r\n\r\n{good}")),
        ("line feeds in front", format!("\n\n{good}")),
        ("a bare last line", good.replacen("\r\n\r\n", "\n\r\n", 1)),
        (
            "a bare first line",
            format!("POST {} HTTP/1.1\n\r\n{good}", lawful.path),
        ),
        ("a bare empty line", good.replacen("\r\n\r\n", "\r\n\n", 1)),
        (
            "a chunked first",
            format!(
                "POST {} HTTP/1.1\r\n{}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                lawful.path,
                lawful.host()
            ),
        ),
        (
            "a list of lengths",
            format!(
                "POST {} HTTP/1.1\r\n{}Content-Length: 0, 0\r\n\r\n",
                lawful.path,
                lawful.host()
            ),
        ),
    ] {
        let wire = format!("{first}{evil}{evil}");
        let said = yard.say_until(lawful.at, wire.as_bytes(), Until::End).await;
        let answers = said.answers();
        yard.must(said.closed && answers <= 1, || {
            format!("{:?} {what}: {answers} answers in {said:?}", lawful.at)
        });
    }
    // Three good ones are three answers: the watcher does not refuse what it need not.
    let wire = format!("{good}{good}{good}");
    let said = yard
        .say_until(lawful.at, wire.as_bytes(), Until::Answers(3))
        .await;
    let answers = said.answers();
    yard.must(answers == 3, || {
        format!("{:?}: {answers} answers to three requests in {said:?}", lawful.at)
    });
}

/// Paths match as they are written. (Of the unified API with a good signature: see `api`.)
async fn targets(yard: &Yard) {
    let wechat = [
        "/v3/pay/transactions/native/",
        "//v3/pay/transactions/native",
        "/v3/pay/%74ransactions/native",
        "/v3/pay/x/../transactions/native",
        "/v3/pay/transactions/native;x",
        "/v3%2Fpay/transactions/native",
        "/V3/pay/transactions/native",
        "/v3/pay/transactions/out-trade-no/a%2Fb",
        "/v3/pay/transactions/out-trade-no/%00",
        "/v3/profitsharing/orders",
        "/v3/fund-app/mch-transfer/transfer-bills",
        "/",
    ];
    for path in wechat {
        let wire = format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{{}}");
        yard.refused(
            At::Wechat,
            path,
            &yard.say(At::Wechat, wire.as_bytes()).await,
            "NO_AUTH",
        );
    }
    for path in [
        "/gateway.do/",
        "//gateway.do",
        "/gateway%2Edo",
        "/gateway.do;x",
        "/x/../gateway.do",
        "/Gateway.do",
        "/gateway.do%00",
        "/",
    ] {
        let wire = format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n");
        yard.refused(
            At::Alipay,
            path,
            &yard.say(At::Alipay, wire.as_bytes()).await,
            "isv.insufficient-isv-permissions",
        );
    }
    for path in ["/v3/alipay/trade/page/pay", "/v3/", "/v3/alipay/trade/query/"] {
        let wire = format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n");
        yard.refused(
            At::AlipayV3,
            path,
            &yard.say(At::AlipayV3, wire.as_bytes()).await,
            "insufficient-permissions",
        );
    }
    let known = &yard.demo.place.merchants[0].accounts.wechat.mchid;
    for path in ["/n/unionpay/1", "/n/alipay/1"] {
        let wire = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}");
        yard.refused(
            At::NotifyAlipay,
            path,
            &yard.say(At::NotifyAlipay, wire.as_bytes()).await,
            "fail",
        );
    }
    for path in [
        "/n",
        "/n/",
        "/n/wechat",
        "/n/wechat/",
        "/n/jcb/1",
        "/n/wechat/%31",
        "/N/wechat/1",
        "/n//wechat/1",
        "/n/wechat/../wechat/1",
        &format!("/n/wechat/{known}/"),
        &format!("/n/wechat/{known};x"),
        &format!("/n/{MARK}/{known}"),
        &format!("/n/wechat/{MARK}"),
    ] {
        let wire = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}");
        yard.refused(
            At::Notify,
            path,
            &yard.say(At::Notify, wire.as_bytes()).await,
            "not_found",
        );
    }
    for method in ["GET", "PUT", "DELETE", "PATCH", "TRACE", MARK] {
        let wire = format!("{method} /n/wechat/{known} HTTP/1.1\r\nHost: x\r\n\r\n");
        let said = yard.say(At::Notify, wire.as_bytes()).await;
        yard.must(said.status == Some(405), || {
            format!("{method} on notices: {said:?}")
        });
    }
    let wire =
        format!("POST /n/wechat/{known}?{MARK}=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}");
    yard.refused(
        At::Notify,
        "a query",
        &yard.say(At::Notify, wire.as_bytes()).await,
        "method_not_allowed",
    );
}

async fn metrics(yard: &Yard) {
    for path in [
        "/",
        "/metrics/",
        "/metrics/../x",
        "//metrics",
        "/%6detrics",
        "/v1/payments",
        "/debug/pprof",
        "/openapi.json",
        &format!("/{MARK}"),
    ] {
        yard.refused(
            At::Metrics,
            path,
            &yard
                .say(
                    At::Metrics,
                    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes(),
                )
                .await,
            "not_found",
        );
    }
    yard.refused(
        At::Metrics,
        "POST",
        &yard
            .say(
                At::Metrics,
                b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
            )
            .await,
        "method_not_allowed",
    );
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let tls = yard.say_until(At::Metrics, hello, Until::End).await;
    yard.bare(At::Metrics, "TLS where none is spoken", &tls);
}

/// The trades journal lets in whoever has a certificate of its CA, and shows them files of the tiled log only.
async fn journal(yard: &Yard) {
    use rustls::pki_types::ServerName;
    use std::net::Ipv4Addr;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };
    use tokio_rustls::TlsConnector;
    let place = &yard.demo.place;
    let elsewhere = sandbox::material::generate(&yard.dir.path().join("elsewhere"), 1).expect("another CA");
    let (cert, key) =
        sandbox::material::issue(&elsewhere.ca().expect("CA"), &["guandao-desk"]).expect("a certificate");
    let read = |file: &str| std::fs::read(place.dir.join(file)).expect("a file");
    let (own_cert, own_key) = (read("tls/desk.pem"), read("tls/desk.key"));
    let say = async |identity: Option<(&[u8], &[u8])>, path: &str| -> Vec<u8> {
        let tls = certs::tls::client(yard.demo.ca(), identity).expect("TLS");
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, place.ports.trades))
            .await
            .expect("listens");
        let Ok(mut stream) = TlsConnector::from(tls)
            .connect(
                ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST)),
                stream,
            )
            .await
        else {
            return Vec::new();
        };
        let _ = stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
            .await;
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
        all
    };
    let status = |answer: &[u8]| {
        String::from_utf8_lossy(answer)
            .split(' ')
            .nth(1)
            .map(str::to_owned)
            .unwrap_or_default()
    };
    for (what, identity) in [
        ("no certificate", None),
        (
            "a certificate of another CA",
            Some((cert.as_bytes(), key.as_bytes())),
        ),
    ] {
        let heard = say(identity, "/checkpoint").await;
        yard.must(heard.is_empty(), || {
            format!("the journal talks to {what}: {}", String::from_utf8_lossy(&heard))
        });
    }
    let own = Some((own_cert.as_slice(), own_key.as_slice()));
    let checkpoint = say(own, "/checkpoint").await;
    yard.must(status(&checkpoint) == "200", || {
        format!("the desk may read: {}", String::from_utf8_lossy(&checkpoint))
    });
    for path in [
        "/",
        "/lock",
        "/wal/0",
        "/../keys/journal.pem",
        "/%2e%2e/keys/journal.pem",
        "/tile/../../keys/journal.pem",
        "/tile/0/../../../keys/journal.pem",
        "/tile/entries/999",
        "/tile/entries/000.p/0",
        "/tile/0/000.p/+1",
        "//checkpoint",
        "/checkpoint/",
        "/metrics",
        "/v1/payments",
    ] {
        let heard = say(own, path).await;
        yard.must(status(&heard) == "404", || {
            format!("journal {path}: {}", String::from_utf8_lossy(&heard))
        });
    }
}
