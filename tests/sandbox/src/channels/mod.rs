//! Starts the channels and their control listener.

mod bills;
pub(crate) mod clock;
mod control;
mod control_pay;
mod fault;
pub mod gate;
mod gm;
pub(crate) mod keys;
mod lines;
mod notice;
mod order;
mod poster;
mod record;
mod scan;
mod server;
mod together;
mod wallet;
mod world;

mod alipay;
mod another;
mod baidu;
pub(crate) mod ccb;
mod cmb;
mod icbc;
mod unionpay;
mod wechat;

pub use clock::Clock;
pub use lines::losses;

use crate::material::{self, MaterialError, SandboxMerchant};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How to start the channels.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The material's directory: CA and merchants' files.
    pub dir: PathBuf,
    /// Address of the HTTPS listeners. The control listener is always on loopback.
    pub listen: IpAddr,
    /// Port of all channels together, 0 for any.
    pub port: u16,
    /// Port of WeChat Pay alone, 0 for any.
    pub wechat_port: u16,
    /// Port of Alipay alone, 0 for any.
    pub alipay_port: u16,
    /// Port of UnionPay alone, 0 for any.
    pub unionpay_port: u16,
    /// Port of the control listener, 0 for any.
    pub control_port: u16,
    /// The merchants all channels know.
    pub merchants: Vec<SandboxMerchant>,
    /// Which of them are the starter's own: spared by faults that name no order, by a reset, and not among the
    /// requests shown, so that the starter and whoever else uses the channels do not meet.
    pub own: Range<usize>,
    /// Hosts that are told by plain http too, beside this machine: names or addresses, as they stand in a `notify_url`.
    pub notify_to: Vec<String>,
    /// Host names the certificates carry beside localhost, 127.0.0.1, ::1 and the channels' own hosts.
    pub names: Vec<String>,
    /// What waiting times between notices are divided by.
    pub speed: f64,
    /// How long a WeChat refund stays `PROCESSING`.
    pub refund_delay: Duration,
    /// How long the fault `slow` takes.
    pub slow: Duration,
    /// So long after its charge WeChat's V2 takes no reverse (channels.md 2.2), in real time whatever the speed.
    pub reverse_after: Duration,
}

impl Settings {
    /// Loopback, any ports, real speed.
    pub fn new(dir: impl Into<PathBuf>, merchants: Vec<SandboxMerchant>) -> Settings {
        Settings {
            dir: dir.into(),
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            wechat_port: 0,
            alipay_port: 0,
            unionpay_port: 0,
            control_port: 0,
            own: 0..0,
            merchants,
            notify_to: Vec::new(),
            names: Vec::new(),
            speed: 1.0,
            refund_delay: Duration::from_millis(300),
            reverse_after: Duration::from_secs(15),
            slow: Duration::from_secs(3),
        }
    }
}

/// Why the channels did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Keys or certificates.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// TLS configuration.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A port could not be taken.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
}

/// Running channels; dropping it stops them.
#[derive(Debug)]
pub struct Running {
    /// All channels, HTTPS: WeChat Pay under `/v3/`, `/pay/` and `/secapi/pay/`, Alipay at `/gateway.do`, UnionPay under
    /// `/gateway/api/`, the Baidu wallet under `/api/0/`, CCB at `/CCBIS/ccbMain`, ICBC at
    /// `/servlet/ICBCINBSEBusinessServlet`, CMB at `/netpayment/BaseHttp.dll` and `/merchserv/BaseHttp.dll`.
    pub both: SocketAddr,
    /// WeChat Pay, HTTPS, at its root.
    pub wechat: SocketAddr,
    /// Alipay, HTTPS, `/gateway.do`.
    pub alipay: SocketAddr,
    /// UnionPay, HTTPS, `/gateway/api/…`.
    pub unionpay: SocketAddr,
    /// The control API, plain HTTP on loopback.
    pub control: SocketAddr,
    lines: Arc<lines::Lines>,
    stop: watch::Sender<bool>,
}

impl Running {
    /// Stops the listeners, their connections and all notices under way.
    pub fn stop(self) {
        self.stop.send_replace(true);
    }

    /// The control API turns these gates from here on: each is the line to the channel of this name.
    pub fn lines_behind(&self, channels: &[&str], gates: &[Arc<gate::Gate>]) -> anyhow::Result<()> {
        self.lines.set(channels, gates)
    }

    /// Base URL of all channels, without a slash at the end.
    pub fn url(&self) -> String {
        format!("https://{}", self.both)
    }

    /// Base URL of WeChat Pay alone, without a slash at the end.
    pub fn wechat_url(&self) -> String {
        format!("https://{}", self.wechat)
    }

    /// Base URL of Alipay alone, without `/gateway.do`.
    pub fn alipay_url(&self) -> String {
        format!("https://{}", self.alipay)
    }

    /// Base URL of UnionPay alone, without a path.
    pub fn unionpay_url(&self) -> String {
        format!("https://{}", self.unionpay)
    }

    /// Base URL of the control API, `…/control`.
    pub fn control_url(&self) -> String {
        format!("http://{}/control", self.control)
    }
}

/// Starts the channels and the control listener. Must be called inside a tokio runtime.
pub async fn start(settings: Settings) -> Result<Running, StartError> {
    let (stop, stopped) = watch::channel(false);
    let tls = server_tls(&settings)?;
    let at = |port| SocketAddr::new(settings.listen, port);
    let control_at = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), settings.control_port);
    let ports = [
        at(settings.port),
        at(settings.wechat_port),
        at(settings.alipay_port),
        at(settings.unionpay_port),
        control_at,
    ];
    let world = Arc::new(world::World::new(settings, stopped.clone())?);
    let both = server::serve(
        ports[0],
        Some(tls.clone()),
        world.clone(),
        together::handle,
        stopped.clone(),
    )
    .await?;
    let wechat = server::serve(
        ports[1],
        Some(tls.clone()),
        world.clone(),
        wechat::handle,
        stopped.clone(),
    )
    .await?;
    let alipay = server::serve(
        ports[2],
        Some(tls.clone()),
        world.clone(),
        alipay::handle,
        stopped.clone(),
    )
    .await?;
    let unionpay = server::serve(
        ports[3],
        Some(tls),
        world.clone(),
        unionpay::handle,
        stopped.clone(),
    )
    .await?;
    let lines = world.lines.clone();
    let control = server::serve(ports[4], None, world, control::handle, stopped).await?;
    Ok(Running {
        both,
        wechat,
        alipay,
        unionpay,
        control,
        lines,
        stop,
    })
}

fn server_tls(settings: &Settings) -> Result<Arc<rustls::ServerConfig>, StartError> {
    let ca = material::Ca::read(&settings.dir)?;
    let own = [
        "localhost",
        "127.0.0.1",
        "::1",
        "api.mch.weixin.qq.com",
        "api2.wechatpay.cn",
        "api.weixin.qq.com",
        "open.weixin.qq.com",
        "openauth.alipay.com",
        "openapi.alipay.com",
        "gateway.95516.com",
        "filedownload.95516.com",
        "gateway2.95516.com",
        "www.baifubao.com",
        "www2.baifubao.com",
        "ibsbjstar.ccb.com.cn",
        "ibsbjstar2.ccb.com.cn",
        "b2c.icbc.com.cn",
        "netpay.cmbchina.com",
        "merchserv.netpay.cmbchina.com",
    ];
    let listen = settings.listen.to_string();
    let mut names: Vec<&str> = own.to_vec();
    names.extend(settings.names.iter().map(String::as_str));
    if !settings.listen.is_unspecified() && !names.contains(&listen.as_str()) {
        names.push(&listen);
    }
    let (cert, key) = material::issue(&ca, &names)?;
    Ok(server::tls(&cert, &key)?)
}

/// A listener's TLS settings from its certificate and key.
pub(crate) fn server_config(cert: &str, key: &str) -> Result<Arc<rustls::ServerConfig>, StartError> {
    Ok(server::tls(cert, key)?)
}
