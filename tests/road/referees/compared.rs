//! The same order twice, once composed by our adapter and once by each published client, both captured at the sandbox:
//! path, headers, fields and values agree, and OpenSSL verifies both signatures over the captured octets.

use super::{
    Done,
    client::{CLIENTS, Client, Scene, said},
};
use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use sandbox::demo::{
    Demo,
    http::Client as Http,
    place::{DemoMerchant, Options, RETURN_HOST},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use tokio::process::Command;

/// Headers of the connection and of who speaks: each HTTP client has its own, no channel reads them. They may be there
/// or not, with any value.
const TRANSPORT: [&str; 5] = [
    "accept-encoding",
    "accept-language",
    "connection",
    "content-length",
    "user-agent",
];

/// What else differs, for one client, and why; exactly this and nothing more.
struct Differs {
    client: &'static str,
    /// Headers and fields that only we send.
    ours: [&'static [&'static str]; 2],
    /// Headers and fields that only it sends.
    theirs: [&'static [&'static str]; 2],
}

const DIFFERS: [Differs; 6] = [
    Differs {
        client: "wechatpayv3",
        ours: [&[], &[]],
        theirs: [&[], &[]],
    },
    Differs {
        client: "wechatpay-axios-plugin",
        ours: [&[], &[]],
        theirs: [&[], &[]],
    },
    // A GET with every parameter in the query: no body, so no type of it, and urllib asks for no type of answer.
    // `format` may be left out; its one value is JSON.
    Differs {
        client: "python-alipay-sdk",
        ours: [&["accept", "content-type"], &["format"]],
        theirs: [&[], &[]],
    },
    // It asks for no certain key, and so gets the platform's certificate.
    Differs {
        client: "wechatpay-node-v3",
        ours: [&["wechatpay-serial"], &[]],
        theirs: [&[], &[]],
    },
    // It asks for no type of answer. Its own number of the call, for its own logs.
    Differs {
        client: "alipay-sdk-python",
        ours: [&["accept"], &[]],
        theirs: [&["cache-control", "log-uuid"], &[]],
    },
    // Its own number of the call, for its own logs.
    Differs {
        client: "alipay-sdk",
        ours: [&[], &["format"]],
        theirs: [&["alipay-request-id"], &[]],
    },
];

/// Values that are new in every request.
const FRESH: [&str; 2] = ["sign", "timestamp"];

pub(super) async fn agree() -> Done {
    let dir = tempfile::tempdir()?;
    let demo = Demo::start(
        dir.path(),
        &Options {
            desk: false,
            merchants: 1,
            ..Options::default()
        },
        false,
    )
    .await?;
    let of = demo.place.merchants.first().context("merchant")?;
    let control = Http::clear(demo.channels.control);
    for (client, way) in CLIENTS
        .iter()
        .flat_map(|client| ways(client).iter().map(move |way| (client, *way)))
    {
        let order = ours(&demo, client, way).await?;
        let adapter = captured(&control, client).await?;
        let facts = facts(client, way, &order, &adapter)?;
        let scene = scene(&demo, client, of, &adapter)?;
        client.place(&scene, &facts).await?;
        let theirs = captured(&control, client).await?;
        ensure!(
            theirs.number > adapter.number,
            "{}: the request was not captured",
            client.name
        );
        let rule = DIFFERS
            .iter()
            .find(|d| d.client == client.name)
            .context("a rule")?;
        same_headers(client, rule, &adapter, &theirs)?;
        same_fields(client, rule, &adapter, &theirs)?;
        let key = public_key(&demo, client, of).await?;
        for (whose, request) in [("our", &adapter), (client.name, &theirs)] {
            let words = request.verified_by_openssl(client, dir.path(), &key).await?;
            println!("{} {way}: {whose} request, openssl: {words}", client.name);
        }
    }
    let node = CLIENTS
        .iter()
        .find(|client| client.name == "alipay-sdk")
        .context("a client")?;
    for way in ["page", "wap", "app"] {
        handed_out(&demo, node, of, way, dir.path())
            .await
            .with_context(|| format!("handed out, {way}"))?;
    }
    demo.services.stop().await
}

/// The same by Alipay's OpenAPI v3: with keys, with certificates, encrypted.
pub(super) async fn agree_by_openapi_v3() -> Done {
    let dir = tempfile::tempdir()?;
    let options = Options {
        desk: false,
        merchants: 3,
        openapi_v3: true,
        ..Options::default()
    };
    let demo = Demo::start(dir.path(), &options, false).await?;
    let control = Http::clear(demo.channels.control);
    for (n, of) in demo.place.merchants.iter().enumerate() {
        let client = &super::v3::V3;
        let mut scene = Scene {
            base_url: demo.channels.alipay_url(),
            control: demo.channels.control_url(),
            notify_url: String::new(),
            material: demo.place.material.dir.clone(),
            ca: demo.place.material.ca_path(),
            account: client.account(&of.accounts)?,
            mode: if of.certificate_mode() {
                "certificate"
            } else {
                "public_key"
            },
            zone: "UTC",
        };
        let body = json!({ "order_no": demo.next_number(), "channel": "alipay", "pay_way": "qr", "amount": 888, "description": "同一订单 One order" });
        let order = demo.merchant(n)?.ask("POST", "/v1/payments", Some(&body)).await?;
        ensure!(
            order.status == 201,
            "create answered {} {}",
            order.status,
            order.json()
        );
        let adapter = captured(&control, client).await?;
        let ours = content(client, &scene, &adapter).await?;
        let field = |name: &str| ours.get(name).cloned().unwrap_or_default();
        scene.notify_url = field("notify_url").as_str().context("notify_url")?.to_owned();
        let asked = json!({
            "number": order.json()["number"], "description": "同一订单 One order", "yuan": "8.88",
            "time_expire": field("time_expire"), "seller_id": field("seller_id"), "encrypted": of.encrypts(),
        });
        client.place(&scene, &asked).await?;
        let captured = captured(&control, client).await?;
        ensure!(captured.number > adapter.number, "the request was not captured");
        let theirs = content(client, &scene, &captured).await?;
        ensure!(ours == theirs, "{ours:?} and {theirs:?}");
        same_by_v3(&adapter, &captured)?;
        let key = public_key(&demo, client, of).await?;
        for (whose, request) in [("our", &adapter), (client.name, &captured)] {
            let words = request.verified_by_openssl(client, dir.path(), &key).await?;
            println!("v3, merchant {n}: {whose} request, openssl: {words}");
        }
    }
    demo.services.stop().await
}

/// A body of OpenAPI v3 in clear.
async fn content(
    client: &Client,
    scene: &Scene,
    request: &Captured,
) -> anyhow::Result<BTreeMap<String, Value>> {
    let body = std::str::from_utf8(&request.body)?;
    let clear = match body.starts_with('{') {
        true => body.to_owned(),
        false => client.decrypted(scene, body).await?,
    };
    Ok(serde_json::from_str(&clear)?)
}

/// Line, headers and what `Authorization` names; its own number of the call only the client sends, and, beside the documented
/// header of encryption, an older name of it.
fn same_by_v3(ours: &Captured, theirs: &Captured) -> Done {
    ensure!(
        (&ours.method, &ours.target) == (&theirs.method, &theirs.target),
        "{} and {}",
        ours.target,
        theirs.target
    );
    let mut more = vec!["alipay-request-id"];
    if ours.headers.contains_key("alipay-encrypt-type") {
        more.insert(0, "alipay-encryption-algm");
    }
    apart(
        "OpenAPI v3",
        &ours.header_names(),
        &theirs.header_names(),
        &[],
        &more,
    )?;
    for header in [
        "accept",
        "content-type",
        "alipay-root-cert-sn",
        "alipay-encrypt-type",
    ] {
        let (a, b) = (ours.headers.get(header), theirs.headers.get(header));
        ensure!(a == b, "{header}: {a:?} and {b:?}");
    }
    let (a, b) = (ours.v3_authorization()?, theirs.v3_authorization()?);
    ensure!(
        a.iter().map(|(name, _)| name).eq(b.iter().map(|(name, _)| name)),
        "{a:?} and {b:?}"
    );
    let constant = |(name, _): &&(&str, &str)| ["app_id", "app_cert_sn"].contains(name);
    ensure!(
        a.iter().filter(constant).eq(b.iter().filter(constant)),
        "{a:?} and {b:?}"
    );
    Ok(())
}

/// Ways to pay that a client places by a call.
fn ways(client: &Client) -> &'static [&'static str] {
    if client.channel == "wechat" {
        &["native", "h5", "app"]
    } else {
        &["qr"]
    }
}

/// No call places these: the text that the payer carries is compared itself, ours and the client's.
async fn handed_out(demo: &Demo, client: &Client, of: &DemoMerchant, way: &str, dir: &Path) -> Done {
    let back = format!("https://{RETURN_HOST}/back");
    let mut body = json!({ "order_no": demo.next_number(), "channel": "alipay", "pay_way": way, "amount": 888, "description": "同一订单 One order" });
    if way != "app" {
        body["return_url"] = back.clone().into();
    }
    let order = demo
        .merchant(0)?
        .ask("POST", "/v1/payments", Some(&body))
        .await?
        .json();
    let call_up = &order["call_up"];
    let ours = text_of(
        call_up["order_string"]
            .as_str()
            .or(call_up["url"].as_str())
            .context("nothing handed out")?,
    );
    let content: Value =
        serde_json::from_str(ours.fields(client)?["biz_content"].as_str().unwrap_or_default())?;
    let scene = scene(demo, client, of, &ours)?;
    let asked = json!({ "way": way, "method": format!("alipay.trade.{way}.pay"), "biz_content": content, "return_url": (way != "app").then_some(back) });
    let lines = client.place(&scene, &asked).await?;
    let theirs = text_of(
        lines
            .first()
            .and_then(|line| line["text"].as_str())
            .context("no text")?,
    );
    let rule = Differs {
        client: client.name,
        ours: [&[], &["format"]],
        theirs: [&[], if way == "app" { &[] } else { &["alipay_sdk"] }],
    };
    same_fields(client, &rule, &ours, &theirs)?;
    let key = public_key(demo, client, of).await?;
    for (whose, text) in [("our", &ours), (client.name, &theirs)] {
        println!(
            "{way}: {whose} text, openssl: {}",
            text.verified_by_openssl(client, dir, &key).await?
        );
    }
    Ok(())
}

/// An address or a query, as if it had come over the wire.
fn text_of(text: &str) -> Captured {
    let query = text.split_once('?').map_or(text, |(_, query)| query);
    Captured {
        number: 0,
        method: "GET".into(),
        target: format!("/gateway.do?{query}"),
        headers: BTreeMap::new(),
        body: Vec::new(),
    }
}

/// The order as our adapter places it.
async fn ours(demo: &Demo, client: &Client, way: &str) -> anyhow::Result<Value> {
    let mut body = json!({ "order_no": demo.next_number(), "channel": client.channel, "pay_way": way, "amount": 888, "description": "同一订单 One order" });
    if way == "h5" {
        body["client_ip"] = "203.0.113.7".into();
    }
    let answer = demo.merchant(0)?.ask("POST", "/v1/payments", Some(&body)).await?;
    ensure!(
        answer.status == 201,
        "create answered {}: {}",
        answer.status,
        answer.json()
    );
    Ok(answer.json())
}

/// What a client is given so that it places the very same order.
fn facts(client: &Client, way: &str, order: &Value, adapter: &Captured) -> anyhow::Result<Value> {
    let fields = adapter.fields(client)?;
    let content = if client.channel == "wechat" {
        &fields
    } else {
        &serde_json::from_str::<BTreeMap<String, Value>>(fields["biz_content"].as_str().unwrap_or_default())?
    };
    let field = |name: &str| content.get(name).cloned().unwrap_or_default();
    let way = (client.channel == "wechat").then_some(way);
    Ok(json!({
        "number": order["number"], "way": way, "description": "同一订单 One order", "fen": 888, "yuan": "8.88",
        "time_expire": field("time_expire"), "seller_id": field("seller_id"),
    }))
}

fn scene(demo: &Demo, client: &Client, of: &DemoMerchant, adapter: &Captured) -> anyhow::Result<Scene> {
    let notify_url = adapter
        .fields(client)?
        .get("notify_url")
        .and_then(|v| v.as_str().map(str::to_owned));
    Ok(Scene {
        base_url: client.of(demo.channels.wechat_url(), demo.channels.alipay_url()),
        control: demo.channels.control_url(),
        notify_url: notify_url.context("our order names no notify_url")?,
        material: demo.place.material.dir.clone(),
        ca: demo.place.material.ca_path(),
        account: client.account(&of.accounts)?,
        mode: client.modes[0],
        zone: "UTC",
    })
}

/// A request as the sandbox received it.
struct Captured {
    number: u64,
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

async fn captured(control: &Http, client: &Client) -> anyhow::Result<Captured> {
    let target = format!(
        "/control/requests?channel={}&operation=create&last=1",
        client.channel
    );
    let all = control.send("GET", &target, &[], b"").await?.json();
    let last = &all["requests"][0];
    let text = |value: &Value| {
        value
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("odd capture: {all}"))
    };
    let pairs = last["headers"]
        .as_array()
        .with_context(|| format!("odd capture: {all}"))?;
    let headers: BTreeMap<_, _> = pairs
        .iter()
        .map(|p| Ok((text(&p[0])?, text(&p[1])?)))
        .collect::<anyhow::Result<_>>()?;
    ensure!(headers.len() == pairs.len(), "a header stands twice: {pairs:?}");
    Ok(Captured {
        number: last["number"].as_u64().context("number")?,
        method: text(&last["method"])?,
        target: text(&last["target"])?,
        headers,
        body: STANDARD.decode(text(&last["body"])?)?,
    })
}

impl Captured {
    fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    fn header_names(&self) -> BTreeSet<&str> {
        self.headers
            .keys()
            .map(String::as_str)
            .filter(|n| !TRANSPORT.contains(n))
            .collect()
    }

    /// JSON fields at WeChat Pay; at Alipay the parameters of query and form, which are one set there.
    fn fields(&self, client: &Client) -> anyhow::Result<BTreeMap<String, Value>> {
        if client.channel == "wechat" {
            return Ok(serde_json::from_slice(&self.body)?);
        }
        let query = self.target.split_once('?').map_or("", |(_, q)| q);
        let mut all = BTreeMap::new();
        for (name, value) in
            form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(&self.body))
        {
            ensure!(
                all.insert(name.to_string(), Value::from(&*value)).is_none(),
                "{name} stands twice"
            );
        }
        Ok(all)
    }

    /// `name="value"` pairs of WeChat's Authorization header.
    fn authorization(&self) -> anyhow::Result<BTreeMap<&str, &str>> {
        let header = self.headers.get("authorization").context("no Authorization")?;
        let list = header
            .strip_prefix("WECHATPAY2-SHA256-RSA2048 ")
            .context("another scheme")?;
        list.split(',')
            .map(|part| {
                part.trim()
                    .split_once('=')
                    .map(|(n, v)| (n, v.trim_matches('"')))
                    .context("odd Authorization")
            })
            .collect()
    }

    /// `name=value` pairs of Alipay's Authorization header, in their order.
    fn v3_authorization(&self) -> anyhow::Result<Vec<(&str, &str)>> {
        let header = self.headers.get("authorization").context("no Authorization")?;
        let list = header
            .strip_prefix("ALIPAY-SHA256withRSA ")
            .context("another scheme")?;
        list.split(',')
            .map(|part| part.split_once('=').context("odd Authorization"))
            .collect()
    }

    /// The octets that were signed, from what came over the wire alone, and the signature.
    fn signed(&self, client: &Client) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
        if self.target.starts_with("/v3/alipay/") {
            let header = self.headers.get("authorization").context("no Authorization")?;
            let said = header
                .strip_prefix("ALIPAY-SHA256withRSA ")
                .context("another scheme")?;
            let (said, signature) = said.split_once(",sign=").context("no sign")?;
            let mut message = format!("{said}\n{}\n{}\n", self.method, self.target).into_bytes();
            message.extend_from_slice(&self.body);
            message.push(b'\n');
            return Ok((message, STANDARD.decode(signature)?));
        }
        if client.channel == "wechat" {
            let said = self.authorization()?;
            let mut message = format!(
                "{}\n{}\n{}\n{}\n",
                self.method, self.target, said["timestamp"], said["nonce_str"]
            )
            .into_bytes();
            message.extend_from_slice(&self.body);
            message.push(b'\n');
            return Ok((message, STANDARD.decode(said["signature"])?));
        }
        let fields = self.fields(client)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let pairs = fields
            .iter()
            .filter(|(n, v)| *n != "sign" && *v != "")
            .map(|(n, v)| format!("{n}={}", text(v)));
        Ok((
            pairs.collect::<Vec<_>>().join("&").into_bytes(),
            STANDARD.decode(text(&fields["sign"]))?,
        ))
    }

    async fn verified_by_openssl(&self, client: &Client, dir: &Path, key: &Path) -> anyhow::Result<String> {
        let (message, signature) = self.signed(client)?;
        let verify = async |message: &[u8]| {
            let (text, sig) = (dir.join("signed.txt"), dir.join("signed.sig"));
            std::fs::write(&text, message)?;
            std::fs::write(&sig, &signature)?;
            said(
                Command::new("openssl")
                    .args(["dgst", "-sha256", "-verify"])
                    .arg(key)
                    .arg("-signature")
                    .arg(sig)
                    .arg(text),
            )
            .await
        };
        let output = verify(&message).await?;
        let words = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        ensure!(
            output.status.success() && words == "Verified OK",
            "{}: {words} {}",
            client.name,
            String::from_utf8_lossy(&output.stderr)
        );
        ensure!(
            !verify(&[&message[..], b" "].concat()).await?.status.success(),
            "openssl verifies another message too"
        );
        Ok(words)
    }
}

fn same_headers(client: &Client, rule: &Differs, ours: &Captured, theirs: &Captured) -> Done {
    let name = client.name;
    ensure!(
        ours.path() == theirs.path(),
        "{name}: {} and {}",
        ours.path(),
        theirs.path()
    );
    // Alipay's gateway takes GET and POST alike; the Python client sends GET.
    ensure!(
        ours.method == theirs.method || client.channel == "alipay",
        "{name}: {} and {}",
        ours.method,
        theirs.method
    );
    apart(
        name,
        &ours.header_names(),
        &theirs.header_names(),
        rule.ours[0],
        rule.theirs[0],
    )?;
    let plain = |value: &str| {
        value
            .split([',', ';'])
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    };
    // Not of `host`, which is the one thing that is changed in a client.
    for header in ["accept", "content-type", "wechatpay-serial"] {
        if let (Some(a), Some(b)) = (ours.headers.get(header), theirs.headers.get(header)) {
            ensure!(plain(a) == plain(b), "{name}: {header}: {a} and {b}");
        }
    }
    if client.channel == "wechat" {
        let (a, b) = (ours.authorization()?, theirs.authorization()?);
        ensure!(
            a.keys().eq(b.keys())
                && a["mchid"] == b["mchid"]
                && a["serial_no"].eq_ignore_ascii_case(b["serial_no"]),
            "{name}: {a:?} and {b:?}"
        );
    }
    Ok(())
}

fn same_fields(client: &Client, rule: &Differs, ours: &Captured, theirs: &Captured) -> Done {
    let (mut a, mut b) = (ours.fields(client)?, theirs.fields(client)?);
    for side in [&mut a, &mut b] {
        if let Some(content) = side.get_mut("biz_content") {
            // JSON in a text: its order of fields is free.
            *content = serde_json::from_str(content.as_str().unwrap_or_default())?;
        }
    }
    let names = |side: &BTreeMap<String, Value>| side.keys().cloned().collect::<BTreeSet<_>>();
    let (ours_names, theirs_names) = (names(&a), names(&b));
    let [x, y] =
        [&ours_names, &theirs_names].map(|side| side.iter().map(String::as_str).collect::<BTreeSet<_>>());
    apart(client.name, &x, &y, rule.ours[1], rule.theirs[1])?;
    let both = a
        .iter()
        .filter(|(name, _)| !FRESH.contains(&name.as_str()))
        .filter_map(|(name, value)| Some((name, value, b.get(name)?)));
    for (name, ours, theirs) in both {
        // `JSON` or `json`: the channel takes both.
        let either_case = name == "format"
            && ours
                .as_str()
                .zip(theirs.as_str())
                .is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
        ensure!(
            ours == theirs || either_case,
            "{}: {name}: {ours} and {theirs}",
            client.name
        );
    }
    println!(
        "{}: {} agrees, fields {}",
        client.name,
        ours.path(),
        x.intersection(&y).copied().collect::<Vec<_>>().join(" ")
    );
    Ok(())
}

/// Two sets of names differ exactly as permitted.
fn apart(
    client: &str,
    ours: &BTreeSet<&str>,
    theirs: &BTreeSet<&str>,
    only_ours: &[&str],
    only_theirs: &[&str],
) -> Done {
    let more =
        |a: &BTreeSet<&str>, b: &BTreeSet<&str>| a.difference(b).map(ToString::to_string).collect::<Vec<_>>();
    let found = (more(ours, theirs), more(theirs, ours));
    ensure!(
        found.0 == only_ours && found.1 == only_theirs,
        "{client}: only ours {:?}, only theirs {:?}",
        found.0,
        found.1
    );
    Ok(())
}

/// The merchant's public key, taken out of its certificate by OpenSSL.
async fn public_key(demo: &Demo, client: &Client, of: &DemoMerchant) -> anyhow::Result<PathBuf> {
    let cert = if client.channel == "wechat" {
        &of.accounts.wechat.cert_file
    } else {
        &of.accounts.alipay.app_cert_file
    };
    let file = demo.place.dir.join(format!("{}.pub.pem", client.channel));
    let output = said(
        Command::new("openssl")
            .args(["x509", "-pubkey", "-noout", "-in"])
            .arg(demo.place.material.dir.join(cert)),
    )
    .await?;
    ensure!(
        output.status.success(),
        "openssl: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::write(&file, output.stdout)?;
    Ok(file)
}
