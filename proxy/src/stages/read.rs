//! Reads a native request without mercy and checks the SDK's own signature with the registered certificate.

use crate::{
    accept::{Door, Received},
    app::App,
    fault::{Code, Fault, Stop},
    guard::{self, Asked},
    limits::source,
    payment::Authenticated,
    signature::WINDOW_MS,
    stage::Stage,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use certs::KeyError;
use channel::{
    Encrypted,
    dialect::NativeRefusal,
    native::{self, Asks, Fresh, Native, NativeError, Proof, Unopened},
};
use domain::{AccountNo, Breach, Channel, Digest, Instant, PayeeNo};
use http::{Method, Version};
use policy::registry::{AccountFacts, MerchantFacts, MerchantKey};
use sha2::{Digest as _, Sha256};
use vault::Text;
use zeroize::Zeroizing;

/// Pass-through's way to `Authenticated`.
pub struct Read(pub App);

impl Stage<Received> for Read {
    type Out = Authenticated;

    async fn run(&self, mut received: Received) -> Result<Authenticated, Stop> {
        let app = &self.0;
        let channel = match received.door {
            Door::Alipay => Channel::Alipay,
            Door::Unionpay => Channel::Unionpay,
            _ => Channel::Wechat,
        };
        let strict = self.strict(&mut received, channel);
        let registries = app.registries();
        let target = received.head.uri.path_and_query().map_or("/", |t| t.as_str());
        let known = |account: &_| registries.owner(channel, account).is_some();
        let opens = |account: &AccountNo, proof: &Proof, encrypted: &Encrypted| {
            let (_, facts) = registries.owner(channel, account).ok_or(Unopened::Unproven)?;
            self.open(facts, proof, encrypted)
        };
        let read = native::read(
            channel,
            known,
            &opens,
            received.head.method.as_str(),
            target,
            &received.head.headers,
            &received.body,
        );
        let mut native = match (strict, read) {
            (Ok(()), Ok(native)) => native,
            (Ok(()), Err(error)) => {
                let (asks, fault) = fault(error);
                return Err(self.refuse(&received, channel, asks, fault).await);
            }
            (Err(fault), read) => {
                let asks = read.map_or_else(|error| *error.asks, Asks::from);
                let fault = guard::of_reading(fault, Some(channel));
                return Err(self.refuse(&received, channel, asks, fault).await);
            }
        };
        native.settle_zone(received.at, WINDOW_MS);
        let (merchant, facts) = registries
            .owner(channel, &native.account)
            .ok_or_else(|| Fault::of(Code::UnknownKey))?;
        self.proves(facts, &native.proof, received.at)?;
        let lawful = may_return(merchant, &native)
            .and_then(|()| by_an_own_app(facts, &native))
            .and_then(|()| {
                let keys = registries.operator_account(channel, &native.account);
                with_own_certificates(
                    facts,
                    keys.map_or(&[][..], |own| &own.merchant_keys),
                    &native.certificates,
                )
            });
        let payee = match lawful.and_then(|()| acts_for(facts, &native)) {
            Ok(payee) => payee,
            Err(fault) => {
                let asked = Asked {
                    account: Some(native.account.clone()),
                    channel: Some(channel),
                    operation: Some(native.operation),
                    payee: native.payee.clone(),
                };
                return Err(guard::refuse(app, Some(merchant), asked, fault).await);
            }
        };
        // What undoes an order by the order's own time has no other: it counts as signed when it comes, and its repeat, which bears
        // the same octets, undoes the same order.
        let of_order = native.proof.fresh == Fresh::OfOrder;
        let signed_at = if of_order {
            received.at
        } else {
            native.proof.signed_at
        };
        let merchant = merchant.clone();
        native.payee = payee;
        // A form comes as often as its payer loads the page again: one whose first coming was refused for the moment may come
        // again, and its number makes one order of them all.
        let mark = proof_mark(&native.proof).filter(|_| !native.by_browser && !of_order);
        Ok(Authenticated {
            received,
            merchant,
            signed_at,
            native: Some(native),
            terminal: None,
            mark,
        })
    }
}

/// UnionPay undoes an order on its settlement day only.
const DAY_MS: i64 = 24 * 3_600_000;

fn is_fresh(proof: &Proof, now: Instant) -> bool {
    let age = now.millis() - proof.signed_at.millis();
    match proof.fresh {
        Fresh::Standing => age.abs() <= WINDOW_MS,
        Fresh::For(longest) => (-WINDOW_MS..=longest).contains(&age),
        Fresh::Always => true,
        Fresh::OfOrder => (-WINDOW_MS..=DAY_MS).contains(&age),
    }
}

/// A payer's browser is sent back to the merchant's own registered hosts and to nobody else's.
fn may_return(merchant: &MerchantFacts, native: &Native) -> Result<(), Fault> {
    let foreign = |(_, url): &&(&str, Text)| !merchant.may_return_to(url.expose());
    match native.returns_to.iter().find(foreign) {
        Some((name, _)) => Err(Fault::new(
            Code::OperationNotAllowed,
            format!("{name} must be an https address, without blanks and marks that have to be escaped, at a host that the operator has registered for this merchant (return_hosts)."),
        )
        .breaks(Breach::Value, Some(name))),
        None => Ok(()),
    }
}

/// WeChat's apps are the account's own, as the acquirer's registry lists them: whose app a payer is shown is whose order it is.
//= C93
fn by_an_own_app(facts: &AccountFacts, native: &Native) -> Result<(), Fault> {
    match &native.app {
        Some(app) if !facts.appids.contains(app) => Err(Fault::new(
            Code::OperationNotAllowed,
            "Not carried: appid is none that the acquirer lists for this account (appids).",
        )
        .breaks(Breach::Value, Some("appid"))),
        _ => by_the_sub_merchants(facts, native),
    }
}

//= C97
fn by_the_sub_merchants(facts: &AccountFacts, native: &Native) -> Result<(), Fault> {
    let own = |(payee, app): &(PayeeNo, String)| facts.is_sub_app(payee, app);
    match native.sub_apps.iter().all(own) {
        true => Ok(()),
        false => Err(Fault::new(
            Code::OperationNotAllowed,
            "Not carried: sub_appid is none that the acquirer lists for this sub-merchant (sub_apps).",
        )
        .breaks(Breach::Value, Some("sub_appid"))),
    }
}

/// In certificate mode Alipay answers by the certificates that the request names, so others than the account's would end in
/// answers that nobody can verify. While an app's certificate is changed, the client may name the next one already: each that
/// the operator has registered with one of the merchant's keys counts too.
fn with_own_certificates(
    facts: &AccountFacts,
    keys: &[MerchantKey],
    named: &[(&'static str, String)],
) -> Result<(), Fault> {
    let next = |name, said: &str| name == "app_cert_sn" && keys.iter().any(|key| key.serial == said);
    let own = [
        ("app_cert_sn", &facts.serial, "serial"),
        ("alipay_root_cert_sn", &facts.root_sn, "root_sn"),
    ];
    for (name, registered, field) in own {
        let said = named.iter().find(|(said, _)| *said == name);
        if let (Some((_, said)), Some(registered)) = (said, registered)
            && said != registered
            && !next(name, said)
        {
            return Err(Fault::new(
                Code::MalformedRequest,
                format!("{name} is not that of the certificate which the acquirer lists for this account ({field}): the client has loaded another file."),
            )
            .breaks(Breach::Value, Some(name)));
        }
    }
    Ok(())
}

/// Alipay's protocol has no nonce: there the signature itself tells whether a request came before. The `claim` stage
/// looks, since identical requests at the same time are lawful.
fn proof_mark(proof: &Proof) -> Option<String> {
    proof.nonce.is_none().then(|| STANDARD.encode(&proof.signature))
}

/// Whom the request acts for. Whatever it asks, a query too, it may act for nobody but the account's registered payees.
//= C03
fn acts_for(facts: &AccountFacts, native: &Native) -> Result<Option<PayeeNo>, Fault> {
    let token = native
        .app_auth_token
        .as_ref()
        .map(|token| Digest::from_bytes(Sha256::digest(token.expose()).into()));
    let foreign = |foreign| {
        Fault::new(Code::OperationNotAllowed, format!("Not carried: {foreign}.")).breaks(Breach::Payee, None)
    };
    for sub in native.combined.iter().flat_map(|group| &group.orders) {
        facts.acts_for(Some(&sub.payee), None).map_err(foreign)?;
    }
    let payee = facts.acts_for(native.payee.as_ref(), token).map_err(foreign)?;
    Ok(payee.cloned())
}

impl Read {
    /// The signature is the account's. Its own method is the only one that is taken, so that nobody chooses a weaker
    /// one for it.
    fn vouches(&self, facts: &AccountFacts, proof: &Proof) -> bool {
        let vouched = || {
            self.0
                .keys()
                .vouched(proof.method, &proof.key, &proof.message, &proof.signature)
        };
        proof.method == facts.sign_method && vouched().is_ok()
    }

    /// Opens what the merchant's own client encrypted, behind its signature.
    //= C98
    fn open(
        &self,
        facts: &AccountFacts,
        proof: &Proof,
        encrypted: &Encrypted,
    ) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        if !self.vouches(facts, proof) {
            return Err(Unopened::Unproven);
        }
        let opened = self.0.keys().open_content(&encrypted.key, &encrypted.ciphertext);
        opened.map_err(|error| match error {
            KeyError::Unknown(_) => Unopened::NoKey,
            _ => Unopened::Ciphertext,
        })
    }

    /// The signature is the account's, fresh and new.
    fn proves(&self, facts: &AccountFacts, proof: &Proof, at: Instant) -> Result<(), Fault> {
        let app = &self.0;
        if !self.vouches(facts, proof) {
            return Err(Fault::of(Code::WrongSignature));
        }
        if !is_fresh(proof, at) {
            return Err(Fault::of(Code::StaleTimestamp));
        }
        if let Some(nonce) = &proof.nonce
            && !app
                .nonces()
                .first_use(facts.account.as_str(), nonce, app.clock().since_boot())
        {
            return Err(Fault::of(Code::ReplayedNonce));
        }
        Ok(())
    }

    /// Refuses what the reader refused, on record against the one who signed it; whoever else it may be from is counted.
    /// A request that comes a second time proves nothing: anybody may have sent it again.
    //= C81
    async fn refuse(&self, received: &Received, channel: Channel, asks: Asks, fault: Fault) -> Stop {
        let (app, at) = (&self.0, received.at);
        let registries = app.registries();
        let offends = fault.breach.is_some();
        let owner = asks
            .account
            .as_ref()
            .and_then(|account| registries.owner(channel, account));
        let signed = asks.account.clone().zip(asks.proof);
        let proven = signed
            .into_iter()
            .chain(asks.readings)
            .find_map(|(account, mut proof)| {
                let (merchant, facts) = registries.owner(channel, &account).filter(|_| offends)?;
                proof.settle_zone(channel, at, WINDOW_MS);
                self.proves(facts, &proof, at).ok()?;
                Some((merchant, facts, proof_mark(&proof)))
            });
        let proven = proven.filter(|(_, facts, mark)| {
            let anew = |mark: &String| {
                app.nonces()
                    .first_use(facts.account.as_str(), mark, app.clock().since_boot())
            };
            mark.as_ref().is_none_or(anew)
        });
        let owner = proven
            .as_ref()
            .map(|(merchant, facts, _)| (*merchant, *facts))
            .or(owner);
        // What nobody is proven to have signed weighs on its source, as a wrong signature does.
        if proven.is_none() && offends {
            app.count_failure(source(received.peer.ip()));
        }
        let asked = Asked {
            account: owner.map(|(_, facts)| facts.account.clone()),
            channel: Some(channel),
            operation: asks.operation,
            payee: None,
        };
        let merchant = proven.map(|(merchant, ..)| &**merchant);
        guard::refuse(app, merchant, asked, fault).await
    }

    /// What hyper takes and we do not.
    fn strict(&self, received: &mut Received, channel: Channel) -> Result<(), Fault> {
        received.lawful()?;
        let listens = &self.0.config().listen;
        let listen = match channel {
            Channel::Wechat => &listens.wechat,
            Channel::Alipay => &listens.alipay,
            Channel::Unionpay => &listens.unionpay,
            // Nothing passes through to it.
            Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => &None,
        };
        let host = listen.as_ref().and_then(|l| l.host.as_deref());
        received.only_for(host, |name| {
            // Alipay's own clients send the absolute form with the host in it that they were given: the channel's or ours.
            let registries = self.0.registries();
            let channels = || {
                registries
                    .channel(channel)
                    .is_some_and(|l| l.hosts.iter().any(|h| h.host == name))
            };
            channel == Channel::Alipay
                && (host.is_some_and(|own| own.eq_ignore_ascii_case(name)) || channels())
        })
    }
}

impl Received {
    /// One framing, one host, HTTP/1.1, a body within the cap.
    pub fn lawful(&self) -> Result<(), Fault> {
        let facts = &self.facts;
        let wrong = |what: &str| Err(Fault::new(Code::MalformedRequest, what));
        if self.oversized {
            return Err(Fault::new(
                Code::BodyTooLarge,
                "The body is larger than 65536 bytes.",
            ));
        }
        if self.late {
            return Err(Fault::of(Code::BodyTooSlow));
        }
        // Content codings have their own answer where bodies are read.
        let trick = native::TRICKS
            .iter()
            .find(|name| **name != "content-encoding" && self.head.headers.contains_key(**name));
        match () {
            () if self.head.version != Version::HTTP_11 => wrong("Send HTTP/1.1."),
            () if facts.content_lengths > 0 && facts.transfer_encodings > 0 => {
                wrong("Send Content-Length or Transfer-Encoding, not both.")
            }
            () if facts.content_lengths > 1 || facts.transfer_encodings > 1 => {
                wrong("Send one framing header.")
            }
            () if facts.odd_coding => wrong("The only transfer coding taken is `chunked`."),
            () if facts.hosts != 1 => wrong("Send exactly one Host header."),
            () if facts.trailers => wrong("Trailers are not taken."),
            () if facts.odd_length => wrong("Write Content-Length in digits."),
            () if trick.is_some() => wrong(&format!("Header `{}` is not taken.", trick.unwrap_or(&""))),
            () if self.head.method == Method::GET && !self.body.is_empty() => wrong("GET takes no body."),
            () if facts.sloppy => wrong("End header lines with CRLF and write no space before the colon."),
            () => Ok(()),
        }
    }

    /// The host of this listener and the origin form of the target.
    pub fn only_for(&self, host: Option<&str>, absolute_ok: impl Fn(&str) -> bool) -> Result<(), Fault> {
        let wrong = |what: &str| Err(Fault::new(Code::MalformedRequest, what));
        if let Some(authority) = self.head.uri.authority()
            && !absolute_ok(authority.host())
        {
            return wrong("Send the target in origin form (a path).");
        }
        if self.head.uri.authority().is_none() && !self.head.uri.path().starts_with('/') {
            return wrong("Send the target in origin form (a path).");
        }
        let sent = self
            .head
            .headers
            .get(http::header::HOST)
            .and_then(|h| h.to_str().ok())
            .unwrap_or_default();
        let name = sent.rsplit_once(':').map_or(sent, |(name, port)| {
            if port.bytes().all(|b| b.is_ascii_digit()) {
                name
            } else {
                sent
            }
        });
        match host {
            Some(host) if !name.eq_ignore_ascii_case(host) && !absolute_ok(name) => {
                wrong("The Host header does not name this listener.")
            }
            _ => Ok(()),
        }
    }
}

fn fault(error: NativeError) -> (Asks, Fault) {
    let fault = match error.kind {
        NativeRefusal::Signature(why) => Fault::new(Code::MissingSignature, why).inside(error.text),
        NativeRefusal::NotAllowed(detail) => Fault::new(Code::OperationNotAllowed, detail),
        NativeRefusal::NotFound => Fault::of(Code::NotFound),
        NativeRefusal::Malformed(detail) => Fault::new(Code::MalformedRequest, detail),
        _ => Fault::new(Code::MalformedRequest, error.text),
    };
    match error.breach {
        Some((breach, name)) => (*error.asks, fault.breaks(breach, name)),
        None => (*error.asks, fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_is_named_is_the_accounts_own() {
        let of = |serial: Option<&str>, root: Option<&str>| -> AccountFacts {
            serde_json::from_value(serde_json::json!({
                "channel": "alipay", "account": "2021000066965330", "payee": "2088864287612845", "keys": "held",
                "serial": serial, "root_sn": root,
            }))
            .expect("facts")
        };
        let keys = [MerchantKey {
            serial: "ef78".into(),
            public_key: "-----BEGIN PUBLIC KEY-----".into(),
        }];
        let with = |facts: &AccountFacts, app: &str, root: &str| {
            let named = [("app_cert_sn", app), ("alipay_root_cert_sn", root)];
            let named: Vec<_> = named.into_iter().filter(|(_, sn)| !sn.is_empty()).collect();
            let named: Vec<_> = named
                .into_iter()
                .map(|(name, sn)| (name, sn.to_owned()))
                .collect();
            with_own_certificates(facts, &keys, &named)
        };
        let by_certificate = of(Some("ab12"), Some("cd34_ef56"));
        assert!(with(&by_certificate, "ab12", "cd34_ef56").is_ok());
        assert!(
            with(&by_certificate, "ef78", "cd34_ef56").is_ok(),
            "the next one is registered with its key"
        );
        assert!(with(&by_certificate, "", "").is_ok(), "in key mode none is named");
        assert!(with(&of(None, None), "ab12", "cd34").is_ok(), "none is listed");
        for (app, root, wrong) in [
            ("ab13", "cd34_ef56", "app_cert_sn is not"),
            ("ab12", "cd34", "alipay_root_cert_sn is not"),
            ("ab12", "ef78", "alipay_root_cert_sn is not"),
        ] {
            let fault = with(&by_certificate, app, root).expect_err(wrong);
            assert!(
                fault.detail.starts_with(wrong) && !fault.detail.contains("ab1"),
                "{}",
                fault.detail
            );
            assert!(fault.code == Code::MalformedRequest && fault.breach.is_some());
        }
    }

    #[test]
    fn a_form_may_wait_in_the_browser_and_nothing_else_may() {
        const MINUTE: i64 = 60_000;
        let now = Instant::from_secs(1_767_225_600);
        let fresh = |fresh, ago: i64| {
            let proof = Proof {
                key: domain::KeyRef::new("x").expect("lawful"),
                message: Vec::new(),
                signature: Vec::new(),
                signed_at: now.plus_millis(-ago),
                nonce: None,
                method: domain::SignMethod::Signature,
                fresh,
            };
            is_fresh(&proof, now)
        };
        let form = Fresh::For(30 * MINUTE);
        assert!(fresh(form, 29 * MINUTE) && fresh(form, -4 * MINUTE));
        assert!(!fresh(form, 31 * MINUTE) && !fresh(form, -6 * MINUTE));
        assert!(fresh(Fresh::Standing, 4 * MINUTE) && !fresh(Fresh::Standing, 6 * MINUTE));
        assert!(fresh(Fresh::Always, 90 * 24 * 60 * MINUTE));
        assert!(fresh(Fresh::OfOrder, 24 * 60 * MINUTE) && !fresh(Fresh::OfOrder, 24 * 60 * MINUTE + 1));
        assert!(!fresh(Fresh::OfOrder, -6 * MINUTE));
    }
}
