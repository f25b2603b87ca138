use super::*;
use std::sync::{
    atomic::{AtomicU64, Ordering},
    mpsc,
};

#[derive(Debug, Default)]
struct Hands(AtomicU64);

impl Hands {
    fn forward(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Instant {
        Instant::from_millis(1_767_196_800_000 + self.0.load(Ordering::SeqCst) as i64)
    }
    fn since_boot(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

struct Place {
    dir: tempfile::TempDir,
    clock: Arc<Hands>,
    db: sled::Db,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().expect("a directory");
        let db = sled::open(dir.path().join("db")).expect("a store");
        Place {
            dir,
            clock: Arc::default(),
            db,
        }
    }

    fn vault(&self, boot: u8) -> (Vault, Vec<TradeEvent>) {
        self.vault_after(boot, &KnownEpochs::from([(1, true)]))
    }

    /// A run over a journal that knows these epochs.
    fn vault_after(&self, boot: u8, known: &KnownEpochs) -> (Vault, Vec<TradeEvent>) {
        self.vault_by(self.clock.clone(), Settings::default(), boot, known)
    }

    fn vault_by(
        &self,
        clock: Arc<dyn Clock>,
        settings: Settings,
        boot: u8,
        known: &KnownEpochs,
    ) -> (Vault, Vec<TradeEvent>) {
        let (boot, keyring) = (Boot::from_bytes([boot; 16]), self.dir.path().join("keyring.json"));
        Vault::open(settings, clock, boot, &self.db, &keyring, known).expect("opens")
    }
}

fn context(order: u8) -> Context {
    Context {
        merchant: MerchantId::new("m1").expect("lawful"),
        order: PaymentId::from_bytes([order; 16]),
        label: "create",
    }
}

fn buyer() -> Buyer {
    let payer = Payer {
        field: PayerField::Openid,
        value: "oCANARYopenid".into(),
    };
    Buyer {
        description: "奶茶".into(),
        attach: None,
        payer: Some(payer),
        client_ip: Some("10.0.0.9".into()),
        device_id: None,
        detail: None,
        h5_type: None,
        return_url: None,
        quit_url: None,
    }
}

#[test]
//= C34
//= C36
fn opens_until_the_deadline_and_never_after() {
    let place = Place::new();
    let (vault, _) = place.vault_after(1, &KnownEpochs::new());
    let sealed = vault.seal(buyer(), &context(1));
    let opened = vault
        .open_for(&sealed, &context(1), Purpose::Forward)
        .unwrap_or_else(|_| panic!("not alive"));
    assert_eq!(
        opened.payer.as_ref().map(|p| p.value.expose()),
        Some("oCANARYopenid")
    );
    assert_eq!(opened.description.expose(), "奶茶");
    assert!(opened.attach.is_none());
    place.clock.forward(120_000);
    assert_eq!(
        vault.open_for(&sealed, &context(1), Purpose::Forward).err(),
        Some(OpenError::Gone),
        "dead before it is purged"
    );
    let [
        TradeEvent::BucketDestroyed {
            openings,
            records,
            bucket,
            ..
        },
    ] = &vault.purge_due()[..]
    else {
        panic!("one bucket")
    };
    assert_eq!(
        (openings[&Purpose::Forward], *records, *bucket),
        (1, 1, sealed.bucket())
    );
}

#[test]
//= C33
fn a_record_opens_only_where_it_belongs_and_unaltered() {
    let place = Place::new();
    let (vault, _) = place.vault_after(1, &KnownEpochs::new());
    let sealed = vault.seal(buyer(), &context(1));
    let refused = |sealed: &Sealed<Buyer>, at: &Context| vault.open_for(sealed, at, Purpose::Forward).err();
    assert_eq!(refused(&sealed, &context(2)), Some(OpenError::Forged));
    for at in 0..sealed.as_bytes().len() {
        let mut bytes = sealed.as_bytes().to_vec();
        bytes[at] ^= 1;
        let altered = Sealed::<Buyer>::from_bytes(bytes);
        assert!(
            altered.is_none_or(|a| refused(&a, &context(1)).is_some()),
            "octet {at}"
        );
    }
}

#[test]
fn another_run_opens_nothing_and_holds_no_blob() {
    let place = Place::new();
    let (vault, _) = place.vault_after(1, &KnownEpochs::new());
    let sealed = vault.seal(buyer(), &context(1));
    vault.keep(&sealed, &context(1)).expect("kept");
    assert!(vault.kept::<Buyer>(&context(1)).is_some());
    let (later, events) = place.vault(2);
    assert!(events.is_empty(), "the epoch goes on");
    assert!(later.kept::<Buyer>(&context(1)).is_none());
    assert_eq!(
        later.open_for(&sealed, &context(1), Purpose::Forward).err(),
        Some(OpenError::Gone)
    );
}

#[test]
//= C35
//= C39
fn renewal_outlives_the_first_deadline_and_blobs_die_with_their_bucket() {
    let place = Place::new();
    let (vault, _) = place.vault_after(1, &KnownEpochs::new());
    let sealed = vault.seal(buyer(), &context(1));
    vault.keep(&sealed, &context(1)).expect("kept");
    place.clock.forward(90_000);
    let renewed = vault
        .renew(&sealed, &context(1))
        .unwrap_or_else(|_| panic!("not alive"));
    assert!(renewed.bucket() > sealed.bucket());
    vault.keep(&renewed, &context(1)).expect("kept");
    place.clock.forward(40_000);
    assert_eq!(vault.purge_due().len(), 1);
    assert!(
        vault.kept::<Buyer>(&context(1)).is_some(),
        "the later bucket keeps it"
    );
    place.clock.forward(200_000);
    vault.purge_due();
    assert_eq!(place.db.open_tree("sealed").expect("tree").len(), 0);
}

/// The purge looks at a blob, then removes it; what is kept there between the two is another's.
#[test]
//= C39
fn a_blob_that_is_renewed_while_its_bucket_is_swept_is_kept() {
    let place = Place::new();
    let (vault, _) = place.vault_after(1, &KnownEpochs::new());
    let old = vault.seal(buyer(), &context(1));
    place.clock.forward(90_000);
    let renewed = vault
        .renew(&old, &context(1))
        .unwrap_or_else(|_| panic!("not alive"));
    assert!(renewed.bucket() > old.bucket());
    let name = context(1).name();
    for round in 0..5_000 {
        vault.keep(&old, &context(1)).expect("kept");
        let both = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                both.wait();
                vault.sweep(old.bucket(), vec![name.clone()]);
            });
            both.wait();
            vault.keep(&renewed, &context(1)).expect("kept");
        });
        assert!(
            vault.kept::<Buyer>(&context(1)).is_some(),
            "round {round}: swept with the old one"
        );
    }
}

/// The features that wipe these are asked for in the workspace's manifest: a key's octets are in their states. An HMAC is two
/// such digests and a buffer, and HKDF an HMAC.
#[test]
//= C34
fn states_of_digests_that_hold_keys_are_wiped() {
    use hmac::{
        block_api::HmacResetCore,
        digest::block_api::{Buffer, EagerHash},
    };
    fn is_wiped<T: zeroize::ZeroizeOnDrop>() {}
    is_wiped::<<Sha256 as EagerHash>::Core>();
    is_wiped::<Buffer<HmacResetCore<Sha256>>>();
    is_wiped::<Sha256>();
    is_wiped::<Aes256Gcm>();
}

/// A digest's buffer holds the payer in clear, and a move of the digest leaves a copy on the stack that nobody wipes, until
/// something else happens to stand there: so it ends where it stands.
#[test]
//= C34
fn no_copy_of_what_was_digested_is_left_on_the_stack() {
    const DEPTH: usize = 1024 * 1024;
    /// Far below the scan's own frames, which would overwrite what is looked for.
    #[inline(never)]
    fn deep(steps: usize, work: &mut dyn FnMut()) {
        let room = std::hint::black_box([0_u8; 4096]);
        match steps {
            0 => work(),
            _ => deep(steps - 1, work),
        }
        std::hint::black_box(&room);
    }
    #[inline(never)]
    fn plant() {
        std::hint::black_box(*b"what a move leaves");
    }
    let place = Place::new();
    let (vault, _) = place.vault(1);
    let payer = Payer {
        field: PayerField::BuyerId,
        value: "2088909192939495".into(),
    };
    let stack = std::thread::spawn(move || {
        // The deepest first, so that none stands on what another left.
        deep(48, &mut || {
            assert!(vault.token(Channel::Alipay, &payer).is_some())
        });
        deep(32, &mut || {
            assert!(vault.keyed(b"a payer 2088919293949596").is_ok())
        });
        deep(16, &mut plant);
        let here = 0_u8;
        let mut stack = vec![0; DEPTH];
        let memory = std::fs::File::open("/proc/self/mem").expect("this process");
        let from = std::ptr::from_ref(&here).addr() - DEPTH;
        std::os::unix::fs::FileExt::read_exact_at(&memory, &mut stack, from as u64).expect("its stack");
        stack
    });
    let stack = stack.join().expect("looked at");
    let left = |text: &[u8]| stack.windows(text.len()).any(|octets| octets == text);
    assert!(left(b"what a move leaves"), "the scan finds what lies there");
    assert!(!left(b"|buyer_id|2088909192939495"), "a token's payer");
    assert!(!left(b"a payer 2088919293949596"), "a digest's octets");
}

/// Only what dies soon is named, once for each bucket: what a merchant lets wait under later keys costs nothing.
#[test]
//= C34
fn what_is_kept_to_be_told_is_named_once_before_its_key_dies() {
    let place = Place::new();
    let (vault, _) = place.vault_after(1, &KnownEpochs::new());
    let order = |n: u8| PaymentId::from_bytes([n; 16]);
    let keep = |n: u8| {
        let sealed = vault.seal(buyer(), &context(n));
        vault.keep_to_tell(&sealed, &context(n), order(n)).expect("kept");
        sealed
    };
    let first = keep(1);
    let not_told = vault.seal(buyer(), &context(9));
    vault.keep(&not_told, &context(9)).expect("kept");
    assert!(vault.dying().is_empty(), "they live longer than a bucket");
    place.clock.forward(70_000);
    (2..=200).for_each(|n| drop(keep(n)));
    assert_eq!(vault.dying(), [(context(1), order(1))]);
    assert!(vault.dying().is_empty(), "named once");
    let renewed = vault
        .renew(&first, &context(1))
        .unwrap_or_else(|_| panic!("not alive"));
    vault.keep_to_tell(&renewed, &context(1), order(1)).expect("kept");
    place.clock.forward(60_000);
    assert_eq!(vault.purge_due().len(), 1);
    assert_eq!(vault.dying().len(), 200, "its new key dies with the others");
}

/// The next reading of this clock lasts until somebody else had a moment to act on a later time.
#[derive(Debug)]
struct Slow {
    hands: Arc<Hands>,
    next: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>,
}

impl Clock for Slow {
    fn now(&self) -> Instant {
        self.hands.now()
    }
    fn since_boot(&self) -> Duration {
        let read = self.hands.since_boot();
        let next = self.next.lock().take();
        if let Some((go, done)) = next {
            go.send(()).expect("awaited");
            // Whoever has to wait for the reader never says so.
            let _ = done.recv_timeout(Duration::from_millis(300));
        }
        read
    }
}

#[test]
//= C39
fn a_bucket_is_destroyed_once_though_the_time_leaps_while_somebody_seals() {
    let place = Place::new();
    let clock = Arc::new(Slow {
        hands: place.clock.clone(),
        next: Mutex::default(),
    });
    let (vault, _) = place.vault_by(clock.clone(), Settings::default(), 1, &KnownEpochs::new());
    let seals: [fn(&Vault); 2] = [
        |vault| drop(vault.seal(buyer(), &context(2))),
        |vault| assert!(vault.keyed(b"octets").is_ok()),
    ];
    for seal in seals {
        drop(vault.seal(buyer(), &context(1)));
        let ((go, wake), (told, done)) = (mpsc::channel(), mpsc::channel());
        let (hands, purging) = (place.clock.clone(), vault.clone());
        let purger = std::thread::spawn(move || {
            wake.recv().expect("the clock is read");
            hands.forward(120_000);
            let destroyed = purging.purge_due();
            let _ = told.send(());
            destroyed
        });
        *clock.next.lock() = Some((go, done));
        seal(&vault);
        let mut destroyed = purger.join().expect("purged");
        place.clock.forward(240_000);
        destroyed.extend(vault.purge_due());
        let mut numbers: Vec<u64> = destroyed
            .iter()
            .filter_map(|event| match event {
                TradeEvent::BucketDestroyed { bucket, .. } => Some(*bucket),
                _ => None,
            })
            .collect();
        let all = numbers.len();
        numbers.dedup();
        assert_eq!(numbers.len(), all, "{numbers:?}");
    }
}

#[test]
//= C34
fn what_is_renewed_in_its_keys_last_bucket_comes_to_lie_under_a_later_key() {
    for (bucket, deadline) in [(1, 2), (2, 5), (7, 20), (60, 120)] {
        let place = Place::new();
        let times = Settings {
            bucket: Duration::from_secs(bucket),
            deadline: Duration::from_secs(deadline),
            ..Settings::default()
        };
        let (vault, _) = place.vault_by(place.clock.clone(), times, 1, &KnownEpochs::new());
        for late in [0, bucket * 499, bucket * 999] {
            let sealed = vault.seal(buyer(), &context(1));
            let order = PaymentId::from_bytes([1; 16]);
            vault.keep_to_tell(&sealed, &context(1), order).expect("kept");
            while vault.dying().is_empty() {
                place.clock.forward(1);
            }
            place.clock.forward(late);
            let renewed = vault.renew(&sealed, &context(1));
            let renewed = renewed.unwrap_or_else(|_| panic!("{bucket} s: not alive"));
            assert!(renewed.bucket() > sealed.bucket(), "{bucket} s after {late} ms");
            place.clock.forward(deadline * 1000);
            drop(vault.purge_due());
        }
    }
}

#[test]
//= C37
fn tokens_link_within_an_epoch_only_and_survive_a_restart() {
    let place = Place::new();
    let payer = || Payer {
        field: PayerField::Openid,
        value: "o1".into(),
    };
    let (vault, events) = place.vault_after(1, &KnownEpochs::new());
    assert!(matches!(&events[..], [TradeEvent::EpochOpened { epoch: 1, .. }]));
    vault.epochs_recorded();
    let first = vault.token(Channel::Wechat, &payer());
    assert!(first.is_some());
    assert_eq!(first, place.vault(2).0.token(Channel::Wechat, &payer()));
    assert_ne!(first, vault.token(Channel::Alipay, &payer()));
    place.clock.forward(90 * 86_400_000);
    assert!(matches!(
        &vault.roll_epochs().expect("rolls")[..],
        [TradeEvent::EpochOpened { epoch: 2, .. }]
    ));
    assert_eq!(
        vault.token(Channel::Wechat, &payer()),
        first,
        "no token precedes its epoch's beginning on record"
    );
    vault.epochs_recorded();
    let second = vault.token(Channel::Wechat, &payer()).expect("a pseudonym");
    assert!(second.epoch == 2 && first.is_some_and(|first| second.token != first.token));
    place.clock.forward(31 * 86_400_000);
    assert!(matches!(
        &vault.roll_epochs().expect("rolls")[..],
        [TradeEvent::EpochDestroyed { epoch: 1 }]
    ));
}

#[test]
fn an_older_keyring_does_not_open_under_a_new_root() {
    let place = Place::new();
    let file = place.dir.path().join("keyring.json");
    let (vault, _) = place.vault_after(1, &KnownEpochs::new());
    let stolen = std::fs::read(&file).expect("readable");
    place.clock.forward(90 * 86_400_000);
    vault.roll_epochs().expect("rolls");
    std::fs::write(&file, stolen).expect("writable");
    let again = Vault::open(
        Settings::default(),
        place.clock.clone(),
        Boot::from_bytes([3; 16]),
        &place.db,
        &file,
        &KnownEpochs::new(),
    );
    assert!(matches!(
        again.err(),
        Some(VaultError::Keyring(KeyringError::Damaged(..)))
    ));
}

/// Kinds and numbers of epoch events, `+` begun, `-` ended.
fn told(events: &[TradeEvent]) -> String {
    let one = |event: &TradeEvent| match event {
        TradeEvent::EpochOpened { epoch, .. } => format!("+{epoch}"),
        TradeEvent::EpochDestroyed { epoch } => format!("-{epoch}"),
        other => other.name().to_owned(),
    };
    events.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
//= C37
fn epochs_that_a_stop_kept_from_the_journal_are_put_on_record_at_the_next_start() {
    let place = Place::new();
    let (vault, events) = place.vault_after(1, &KnownEpochs::new());
    assert_eq!(told(&events), "+1");
    assert_eq!(
        told(&place.vault_after(2, &KnownEpochs::new()).1),
        "+1",
        "it never got there"
    );
    assert_eq!(told(&place.vault_after(3, &KnownEpochs::from([(1, true)])).1), "");
    place.clock.forward(90 * 86_400_000);
    assert_eq!(told(&vault.roll_epochs().expect("rolls")), "+2");
    place.clock.forward(31 * 86_400_000);
    assert_eq!(told(&vault.roll_epochs().expect("rolls")), "-1");
    assert_eq!(
        told(&place.vault_after(4, &KnownEpochs::from([(1, true)])).1),
        "-1 +2",
        "neither got there"
    );
    assert_eq!(
        told(
            &place
                .vault_after(5, &KnownEpochs::from([(1, false), (2, true)]))
                .1
        ),
        ""
    );
}

#[test]
fn after_the_keyring_was_removed_numbers_go_on_above_the_journal() {
    let place = Place::new();
    place.vault_after(1, &KnownEpochs::new());
    for file in ["keyring.json", "keyring.root"] {
        std::fs::remove_file(place.dir.path().join(file)).expect("there");
    }
    let (vault, events) = place.vault_after(2, &KnownEpochs::from([(1, false), (2, true)]));
    assert_eq!(told(&events), "-2 +3");
    let payer = Payer {
        field: PayerField::Openid,
        value: "o1".into(),
    };
    assert_eq!(vault.token(Channel::Wechat, &payer).map(|t| t.epoch), Some(3));
}

#[test]
//= C37
fn a_key_whose_end_is_on_record_links_no_more_even_from_a_copy_put_back() {
    let place = Place::new();
    place.vault_after(1, &KnownEpochs::new());
    let (vault, events) = place.vault_after(2, &KnownEpochs::from([(1, false)]));
    assert_eq!(told(&events), "+2");
    let payer = Payer {
        field: PayerField::Openid,
        value: "o1".into(),
    };
    assert_eq!(vault.token(Channel::Wechat, &payer).map(|t| t.epoch), Some(2));
    drop(vault);
    assert_eq!(
        told(&place.vault_after(3, &KnownEpochs::from([(2, true)])).1),
        "",
        "nor is it in the files"
    );
}

/// Strangers whose cards are masked alike are not joined, and one card that comes encrypted is not many payers.
#[test]
//= C37
fn only_a_whole_card_number_has_a_pseudonym() {
    let place = Place::new();
    let (vault, _) = place.vault_after(1, &KnownEpochs::new());
    vault.epochs_recorded();
    let token = |card: &str| {
        let payer = Payer {
            field: PayerField::AccNo,
            value: card.into(),
        };
        vault.token(Channel::Unionpay, &payer)
    };
    let encrypted = "kq3mVYw0mFhF5o0nG8cJ0Q7yq1v0b2Wb3s9g0eB1n5w=";
    for none in [
        "6226********0048",
        encrypted,
        "62260000000",
        "62260000000000000000",
        "622600000000００４８",
        "",
        " 6226000000000048",
    ] {
        assert_eq!(token(none), None, "{} octets", none.len());
    }
    let whole = token("6226000000000048");
    assert!(whole.is_some() && whole != token("6226000000000049"));
    assert_eq!(whole, token("6226000000000048"));
}
