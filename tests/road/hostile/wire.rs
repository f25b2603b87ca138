//! Octets out, octets in: nothing here tidies a request up.

use super::Yard;
use rustls::pki_types::ServerName;
use std::{fmt, net::Ipv4Addr, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// A listener, and whose language it speaks there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum At {
    Api,
    Wechat,
    Alipay,
    Notify,
    NotifyAlipay,
    NotifyUnionpay,
    AlipayV3,
    AlipayPages,
    WechatV2,
    Unionpay,
    Metrics,
}

/// An answer may take so long.
const PATIENCE: Duration = Duration::from_secs(20);
/// A connection that is to end ends so long after its last answer at most.
const LINGERS: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(60);

/// What came back.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The server closed the connection.
    pub(crate) closed: bool,
    /// All octets, further answers included.
    pub(crate) all: Vec<u8>,
}

impl Said {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// How many answers have begun.
    pub(crate) fn answers(&self) -> usize {
        self.all.windows(9).filter(|w| w == b"HTTP/1.1 ").count()
    }

    /// The whole first answer in `all`, if it is whole.
    fn read(&mut self) -> bool {
        let Some(end) = self.all.windows(4).position(|w| w == b"\r\n\r\n") else {
            return false;
        };
        let head = String::from_utf8_lossy(&self.all[..end]).into_owned();
        let mut lines = head.split("\r\n");
        self.status = lines.next().and_then(|l| l.split(' ').nth(1)?.parse().ok());
        self.headers = lines
            .filter_map(|l| l.split_once(':'))
            .map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()))
            .collect();
        let length = self
            .header("content-length")
            .and_then(|l| l.parse().ok())
            .unwrap_or(0);
        self.body = self.all[end + 4..].iter().take(length).copied().collect();
        self.body.len() == length && self.status != Some(100)
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} closed={} {}",
            self.status,
            self.closed,
            String::from_utf8_lossy(&self.all)
        )
    }
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Yard {
    /// A connection to a listener, over TLS where it speaks that.
    pub(crate) async fn connect(&self, at: At) -> Box<dyn Stream> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port(at)))
            .await
            .expect("the listener listens");
        stream.set_nodelay(true).expect("nodelay");
        if at == At::Metrics {
            return Box::new(stream);
        }
        let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
        Box::new(
            TlsConnector::from(self.tls.clone())
                .connect(name, stream)
                .await
                .expect("TLS"),
        )
    }

    /// Says it on a new connection and hears the answer, or the end of the connection.
    pub(crate) async fn say(&self, at: At, wire: &[u8]) -> Said {
        self.say_until(at, wire, Until::Answer).await
    }

    /// Says it on a new connection and hears so much.
    pub(crate) async fn say_until(&self, at: At, wire: &[u8], until: Until) -> Said {
        let mut stream = self.connect(at).await;
        // The server may refuse before it has heard all.
        let _ = stream.write_all(wire).await;
        let _ = stream.flush().await;
        hear(&mut stream, PATIENCE, until).await
    }
}

/// Says it on a connection that is kept, and hears the answer; a connection that has ended is made anew.
pub(crate) async fn say_on(yard: &Yard, at: At, line: &mut Option<Box<dyn Stream>>, wire: &[u8]) -> Said {
    for _ in 0..3 {
        let stream = match line {
            Some(stream) => stream,
            None => line.insert(yard.connect(at).await),
        };
        let mut said = Said::default();
        let mut buffer = [0; 16_384];
        if stream.write_all(wire).await.is_ok() && stream.flush().await.is_ok() {
            while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                said.all.extend_from_slice(&buffer[..n]);
                if said.read() {
                    if said.header("connection") == Some("close") {
                        *line = None;
                    }
                    return said;
                }
            }
        }
        *line = None;
        // It ended between two answers, before this one: nothing of it was heard.
        if !said.all.is_empty() {
            return said;
        }
    }
    Said::default()
}

/// What is waited for, on a machine however busy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Until {
    /// One whole answer; a moment longer shows whether more comes, and nothing depends on that.
    Answer,
    /// So many whole answers, and the same moment.
    Answers(usize),
    /// The end of the connection.
    End,
}

/// Reads until that is there, or nothing came for so long.
pub(crate) async fn hear(stream: &mut Box<dyn Stream>, patience: Duration, until: Until) -> Said {
    let mut said = Said::default();
    let mut buffer = [0; 16_384];
    loop {
        let whole = said.read();
        let wait = match until {
            Until::Answer if whole => MOMENT,
            Until::Answers(wanted) if said.answers() >= wanted => MOMENT,
            Until::End if whole => LINGERS,
            _ => patience,
        };
        match tokio::time::timeout(wait, stream.read(&mut buffer)).await {
            Ok(Ok(0)) | Ok(Err(_)) => {
                said.closed = true;
                said.read();
                return said;
            }
            Ok(Ok(n)) => said.all.extend_from_slice(&buffer[..n]),
            Err(_) => return said,
        }
    }
}
