//! A payer's browser, in a wallet or not: pages, forms, redirects, cookies, and the wallet that a page calls up. No script
//! runs in it; what the script would do with a page's parameters is done here.

use super::http::{Answer, Client};
use anyhow::{Context, bail, ensure};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// The marks of the wallets' browsers and of plain ones.
pub const WECHAT: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.42(0x18002a2a) NetType/WIFI Language/zh_CN";
/// Alipay.
pub const ALIPAY: &str = "Mozilla/5.0 (Linux; U; Android 13; zh-CN; X Build/Y) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/100 UCBS/3 Mobile Safari/537.36 NebulaSDK/1.8 Nebula AlipayDefined(nt:WIFI) AliApp(AP/10.5.30) AlipayClient/10.5.30 Language/zh-Hans";
/// UnionPay.
pub const UNIONPAY: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148/sa-sdk-ios (com.unionpay.chsp) (UnionPay/1.0 CloudPay) (clientVersion 198) (language zh_CN)";
/// A browser on a computer.
pub const COMPUTER: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";
/// A browser on a phone.
pub const PHONE: &str = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36";

/// One browser.
pub struct Browser {
    ca: Vec<u8>,
    agent: String,
    language: String,
    from: IpAddr,
    /// By `host:port`, then by name.
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

/// A page that was come to.
pub struct Page {
    /// Its address.
    pub address: String,
    /// The answer.
    pub answer: Answer,
    /// Every address on the way, the first included.
    pub way: Vec<String>,
}

impl Page {
    /// The page's text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.answer.body).into_owned()
    }

    /// An attribute's value, unescaped.
    pub fn attribute(&self, name: &str) -> Option<String> {
        let text = self.text();
        let from = text.find(&format!(" {name}=\""))? + name.len() + 3;
        Some(unescaped(text[from..].split('"').next()?))
    }
}

fn unescaped(text: &str) -> String {
    [
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

impl Browser {
    /// A browser that trusts this CA.
    pub fn new(ca: &[u8], agent: &str) -> Browser {
        Browser {
            ca: ca.to_vec(),
            agent: agent.into(),
            language: "zh-CN".into(),
            from: IpAddr::from(Ipv4Addr::UNSPECIFIED),
            cookies: BTreeMap::new(),
        }
    }

    /// Another language.
    pub fn speaking(mut self, language: &str) -> Browser {
        self.language = language.into();
        self
    }

    /// From this address of the machine.
    pub fn from(mut self, from: Ipv4Addr) -> Browser {
        self.from = from.into();
        self
    }

    /// Signs in to a wallet of the sandbox at this address as this payer.
    pub fn signed_in(mut self, sandbox: SocketAddr, channel: &str, payer: &str) -> Browser {
        self.cookies
            .entry(sandbox.to_string())
            .or_default()
            .insert(format!("{channel}_payer"), payer.into());
        self
    }

    /// Opens an address and follows where it leads.
    pub async fn open(&mut self, address: &str) -> anyhow::Result<Page> {
        self.go("GET", address, "").await
    }

    /// Sends a form and follows where it leads.
    pub async fn send(&mut self, address: &str, form: &[(&str, &str)]) -> anyhow::Result<Page> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        self.send_octets(address, &body).await
    }

    /// Sends a form as it is written and follows where it leads.
    pub async fn send_octets(&mut self, address: &str, body: &str) -> anyhow::Result<Page> {
        self.go("POST", address, body).await
    }

    async fn go(&mut self, method: &str, address: &str, body: &str) -> anyhow::Result<Page> {
        let (mut method, mut body, mut address) = (method, body, address.to_owned());
        let mut way = Vec::new();
        for _ in 0..8 {
            way.push(address.clone());
            let answer = self.once(method, &address, body).await?;
            let Some(location) = answer
                .headers
                .get("location")
                .and_then(|v| v.to_str().ok())
                .map(str::to_owned)
            else {
                return Ok(Page { address, answer, way });
            };
            ensure!(
                [302, 303, 307].contains(&answer.status),
                "{} with a location",
                answer.status
            );
            address = absolute(&address, location.split('#').next().unwrap_or_default())?;
            // 307 keeps method and body.
            if answer.status != 307 {
                (method, body) = ("GET", "");
            }
        }
        bail!("redirected in circles: {way:?}")
    }

    /// One request, no further.
    pub async fn once(&mut self, method: &str, address: &str, body: &str) -> anyhow::Result<Answer> {
        let (host, target) = parts(address)?;
        // The sandbox plays the channels' hosts at its own ports.
        let here = host.split_once(':').filter(|(name, _)| {
            [
                ".alipay.com",
                ".weixin.qq.com",
                ".95516.com",
                ".baifubao.com",
                ".ccb.com.cn",
                ".icbc.com.cn",
                ".cmbchina.com",
            ]
            .iter()
            .any(|own| name.ends_with(own))
        });
        let here = here.map_or_else(|| host.clone(), |(_, port)| format!("127.0.0.1:{port}"));
        let at: SocketAddr = here
            .parse()
            .with_context(|| format!("{address}: only addresses of this machine"))?;
        let jar = self.cookies.entry(host).or_default();
        let cookies: Vec<String> = jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cookies = cookies.join("; ");
        let mut headers = vec![
            ("user-agent", self.agent.as_str()),
            ("accept-language", self.language.as_str()),
        ];
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        if method == "POST" {
            headers.push(("content-type", "application/x-www-form-urlencoded"));
            headers.push(("sec-fetch-site", "same-origin"));
        }
        let answer = Client::tls(at, &self.ca)?
            .from(self.from)
            .send(method, &target, &headers, body.as_bytes())
            .await?;
        for line in answer
            .headers
            .get_all("set-cookie")
            .iter()
            .filter_map(|v| v.to_str().ok())
        {
            if let Some((name, value)) = line.split(';').next().and_then(|pair| pair.split_once('=')) {
                jar.insert(name.into(), value.into());
            }
        }
        Ok(answer)
    }

    /// Does what the page's script does: sends the form that goes on to the channel.
    pub async fn go_on(&mut self, page: &Page) -> anyhow::Result<Page> {
        let text = page.text();
        let form = text
            .split("<form id=\"onward\"")
            .nth(1)
            .with_context(|| format!("nothing goes on from {text}"))?;
        let value = |part: &str, name: &str| {
            let from = part.find(&format!(" {name}=\""))? + name.len() + 3;
            Some(unescaped(part[from..].split('"').next()?))
        };
        let action = value(form, "action").context("an action")?;
        let fields: Vec<(String, String)> = form
            .split("<input ")
            .skip(1)
            .filter_map(|part| Some((value(&format!(" {part}"), "name")?, value(part, "value")?)))
            .collect();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        self.send(&action, &fields).await
    }

    /// Does what the page's script does: calls the wallet up with the page's own parameters; the payer confirms there and
    /// comes back to the page.
    pub async fn pay(&mut self, page: &Page, sandbox: &str) -> anyhow::Result<Page> {
        let call = page
            .attribute("data-call")
            .with_context(|| format!("no wallet is called up by {}", page.text()))?;
        let wallet = page.attribute("data-wallet").context("a wallet")?;
        let parameters: BTreeMap<String, String> = serde_json::from_str(&call)?;
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(parameters)
            .append_pair("back", &page.address)
            .finish();
        let address = format!("{sandbox}/wallet/{wallet}?{query}");
        let shown = self.open(&address).await?;
        ensure!(
            shown.text().contains("确认支付"),
            "the wallet says {}",
            shown.text()
        );
        self.send(&address, &[]).await
    }
}

fn parts(address: &str) -> anyhow::Result<(String, String)> {
    let rest = address
        .strip_prefix("https://")
        .with_context(|| format!("{address} is not https"))?;
    let cut = rest.find('/').unwrap_or(rest.len());
    Ok((
        rest[..cut].to_owned(),
        if cut == rest.len() {
            "/".into()
        } else {
            rest[cut..].to_owned()
        },
    ))
}

fn absolute(from: &str, to: &str) -> anyhow::Result<String> {
    match to.starts_with('/') {
        true => Ok(format!("https://{}{to}", parts(from)?.0)),
        false => Ok(to.to_owned()),
    }
}
