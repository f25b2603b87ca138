//! What the programs are configured with.

use super::{NAME, Options, Place};

impl Place {
    pub(super) fn listener(&self, name: &str, port: u16, rest: &str) -> String {
        let (cert, key) = (self.path("tls/server.pem"), self.path("tls/server.key"));
        format!(
            "[listen.{name}]\naddress = \"127.0.0.1:{port}\"\ncert = \"{cert}\"\nkey = \"{key}\"\n{rest}\n"
        )
    }

    pub(super) fn registries_config(&self) -> String {
        format!(
            "[registries]\ndir = \"{}\"\nlicence_key = \"{}\"\nacquirer_key = \"{}\"\noperator_key = \"{}\"\n",
            self.path("registries"),
            self.vkey("licence"),
            self.vkey("acquirer"),
            self.vkey("operator"),
        )
    }

    pub(super) fn proxy_config(&self, options: &Options) -> String {
        let ports = self.ports;
        let ca = self.material.ca_path().display().to_string();
        let mut text = format!(
            "name = \"{NAME}\"\ndata = \"{}\"\nkeys = \"{}\"\nnotify_roots = \"{ca}\"\n\n[listen]\nnotify_url = \"https://127.0.0.1:{}\"\npages_url = \"https://127.0.0.1:{}\"\nbanks = \"127.0.0.1:{}\"\nbanks_url = \"http://127.0.0.1:{}\"\nmetrics = \"127.0.0.1:{}\"\n\n",
            self.path("data"),
            self.path("keys"),
            ports.notify,
            ports.pages,
            ports.banks,
            ports.banks,
            ports.metrics,
        );
        text += &self.listener("api", ports.api, "");
        text += &self.listener("wechat", ports.wechat, "host = \"127.0.0.1\"\n");
        text += &self.listener("alipay", ports.alipay, "host = \"127.0.0.1\"\n");
        text += &self.listener("unionpay", ports.unionpay, "host = \"127.0.0.1\"\n");
        text += &self.listener("notify", ports.notify, "");
        text += &self.listener("pages", ports.pages, "");
        text += &self.listener("journal", ports.trades, &format!("client_ca = \"{ca}\"\n"));
        text += &self.registries_config();
        text += "every_ms = 300\n";
        let (bucket, deadline) = options.vault;
        text += &format!(
            "\n[vault]\nbucket_seconds = {bucket}\ndeadline_seconds = {deadline}\nnotify_seconds = 600\n"
        );
        text += &format!(
            "\n[times]\nanswer_ms = {}\nclaim_wait_ms = 4000\nunknown_after_ms = 400\nplaced_after_ms = 2000\nrefund_after_ms = 800\ncharge_after_ms = 300\ncharge_wait_ms = 2500\nreverse_after_ms = 200\nnotify_after_ms = 500\ndrain_ms = 5000\n{}",
            options.answer_ms, options.times,
        );
        // Everybody here comes from one address.
        text += &format!(
            "\n[limits]\ndisk_low_mib = 64\nconnections_per_source = 12000\n{}",
            options.limits
        );
        text += "\n[limits.source]\nper_second = 1000000\n\n[limits.channel]\nper_second = 1000000\n";
        text += &format!("\n[limits.failures]\nper_second = {}\n", options.failures);
        text += &format!("\n[limits.payer]\nper_second = {}\n", options.payer);
        if options.desk {
            text += &format!(
                "\n[cases]\nurl = \"https://127.0.0.1:{}\"\nca = \"{ca}\"\ncert = \"{}\"\nkey = \"{}\"\nvkey_file = \"{}\"\n",
                ports.cases,
                self.path("tls/proxy.pem"),
                self.path("tls/proxy.key"),
                self.path("cases.vkey"),
            );
        }
        text + "\n" + &options.extra
    }

    pub(super) fn desk_config(&self) -> String {
        let ports = self.ports;
        let ca = self.material.ca_path().display().to_string();
        let mut text = format!(
            "name = \"{NAME}\"\ndata = \"{}\"\nkeys = \"{}\"\nusers = \"{}\"\nexports = \"{}\"\npoll_ms = 300\n\n",
            self.path("desk/data"),
            self.path("desk/keys"),
            self.path("desk/users.toml"),
            self.path("exports"),
        );
        text += &self.listener("pages", ports.desk, "");
        text += &self.listener("journal", ports.cases, &format!("client_ca = \"{ca}\"\n"));
        text += &format!(
            "[trades]\nurl = \"https://127.0.0.1:{}\"\nca = \"{ca}\"\ncert = \"{}\"\nkey = \"{}\"\nvkey_file = \"{}\"\n\n",
            ports.trades,
            self.path("tls/desk.pem"),
            self.path("tls/desk.key"),
            self.path("trades.vkey"),
        );
        // The demo has few merchants and channels; the definitions' own thresholds are ten merchants and three channels.
        text += "[parameters.t10]\nmerchants = 3\n\n[parameters.t26]\nchannels = 2\n\n";
        text + &self.registries_config()
    }
}
