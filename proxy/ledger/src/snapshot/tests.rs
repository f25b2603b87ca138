use super::*;
use domain::*;

mod anything;

const NEWEST: u64 = 6000;

fn order(n: u64) -> Order {
    let (merchant, order_no) = (
        MerchantId::new(format!("m{}", n % 3)).expect("lawful"),
        OrderNo::new(format!("N{n}")).expect("lawful"),
    );
    let account = AccountNo::new("1900000109").expect("lawful");
    let event = TradeEvent::AttemptIntended {
        account,
        amount: Amount::from_fen(100),
        appid: None,
        sub_appid: None,
        attempt: 1,
        carried: Carried::Unified,
        channel: Channel::Wechat,
        code: Code {
            kind: CodeKind::Dynamic,
            level: CodeLevel::B,
        },
        content: KeyedDigest::from_bytes([0; 32]),
        expires: Instant::from_secs(1_767_232_800),
        keys: Keys::Held,
        number: ChannelNo::new(order_no.as_str()).expect("lawful"),
        order_no: order_no.clone(),
        pay_way: PayWay::Native,
        payee: PayeeNo::new("1900000109").expect("lawful"),
        payer: None,
        rates: None,
        route: None,
        seal: None,
        terminal: None,
        terminal_match: None,
        terminal_unmatched: false,
    };
    let entry = TradeEntry {
        at: Instant::from_secs(1),
        event,
        mseq: Some(n),
        order: Some(crate::payment_id(&merchant, &order_no)),
        merchant: Some(merchant),
        prev: None,
        salt: Salt::from_bytes([0; 16]),
        tell: None,
        v: ENTRY_VERSION,
    };
    Order::begin(n, &entry).expect("an intent begins an order")
}

/// What is known after these events, which are of no merchant.
fn following(events: impl IntoIterator<Item = TradeEvent>) -> Heads {
    let mut heads = Heads::default();
    for (index, event) in events.into_iter().enumerate() {
        let nobody = crate::heads::Of {
            merchant: None,
            order: None,
        };
        let salt = Salt::from_bytes([0; 16]);
        let entry = heads.entry(Instant::from_secs(1), nobody, None, event, false, salt);
        heads.follow(index as u64, &entry, None);
    }
    heads
}

fn header(next: u64, orders: usize) -> Header {
    let heads = Heads {
        next,
        ..Heads::default()
    };
    Header {
        orders: orders as u64,
        newest: Some((NEWEST, Digest::from_bytes([5; 32]))),
        ..Header::of(&heads, Vec::new())
    }
}

/// What a start takes of the snapshot there: nothing, or all.
fn read(path: &Path) -> Option<(Header, Vec<Order>)> {
    let orders = Mutex::new(Vec::new());
    let header = find(path)?.orders(|order| orders.lock().push(order))?;
    let mut orders = orders.into_inner();
    orders.sort_by_key(|order| order.last);
    Some((header, orders))
}

fn written(orders: &[Order]) -> Vec<u8> {
    put(Vec::new(), &header(7, orders.len()), orders.iter()).expect("memory takes all")
}

/// Its blocks, each whole.
fn split(snapshot: &[u8]) -> Vec<&[u8]> {
    let (mut blocks, mut rest) = (Vec::new(), &snapshot[48..]);
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[1..5].try_into().expect("four octets")) as usize;
        let (block, after) = rest.split_at(5 + length + 32);
        blocks.push(block);
        rest = after;
    }
    blocks
}

fn through(header: &Header) -> Header {
    let written = octets(header, &Places::default());
    whole(&written, &Names::default()).expect("the same")
}

#[test]
fn reads_back_what_was_written_however_many_and_nothing_that_was_cut() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("snapshot");
    for count in [0, 1, 2, 3, 50, 5001] {
        let orders: Vec<_> = (0..count).map(|n| Arc::new(order(n))).collect();
        write(&path, &header(7, orders.len()), &orders).expect("written");
        let (header, found) = read(&path).expect("whole");
        assert_eq!((header.next, header.orders), (7, count));
        assert!(found.iter().eq(orders.iter().map(|order| &**order)));
        let whole = std::fs::read(&path).expect("readable");
        assert_eq!(split(&whole).len() > 4, count > 50, "several blocks");
        for cut in [1, 2, 37, 60, whole.len() / 2, whole.len()] {
            std::fs::write(&path, &whole[..whole.len() - cut]).expect("written");
            assert!(read(&path).is_none(), "{count} orders, {cut} octets cut");
        }
        std::fs::write(&path, [&whole[..], &[0]].concat()).expect("written");
        assert!(read(&path).is_none(), "an octet more");
    }
}

#[test]
fn no_bit_can_be_another_and_no_octet_the_last() {
    let whole = written(&[order(1), order(2)]);
    assert!(again(&whole).is_some());
    for at in 0..whole.len() {
        assert!(again(&whole[..at]).is_none(), "cut at {at}");
        for bit in 0..8 {
            let mut other = whole.clone();
            other[at] ^= 1 << bit;
            assert!(again(&other).is_none(), "bit {bit} of octet {at}");
        }
    }
}

/// Each is whole, and not in its place.
#[test]
fn blocks_are_not_exchanged_left_out_or_of_another_snapshot() {
    let orders: Vec<_> = (0..5001).map(order).collect();
    let (whole, other) = (written(&orders), written(&orders[1..]));
    let (front, blocks) = (&whole[..48], split(&whole));
    let joined = |blocks: &[&[u8]]| [front, &blocks.concat()].concat();
    assert_eq!(joined(&blocks), whole);
    let mut exchanged = blocks.clone();
    exchanged.swap(2, 3);
    let mut foreign = blocks.clone();
    foreign[2] = split(&other)[2];
    for wrong in [
        exchanged,
        foreign,
        [&blocks[..2], &blocks[3..]].concat(),
        [&blocks[..3], &blocks[2..]].concat(),
        [&blocks[..], &blocks[blocks.len() - 1..]].concat(),
        blocks[..blocks.len() - 1].to_vec(),
        blocks[1..].to_vec(),
    ] {
        assert!(again(&joined(&wrong)).is_none());
    }
}

/// Right digests over what nobody writes.
#[test]
fn what_no_writer_writes_is_refused_whatever_vouches_for_it() {
    let none = Places::default();
    let names = octets(&Names::default(), &none);
    let of = |count, orders: &[&[u8]]| {
        let header = octets(&header(0, count), &none);
        again(&of_blocks(&names, &header, orders).expect("memory takes all"))
    };
    let one = octets(&order(1), &none);
    let empty = Order {
        attempts: Vec::new(),
        ..order(1)
    };
    let two = octets(&order(2), &none);
    assert!(of(1, &[&one]).is_some() && of(2, &[&one, &two]).is_some());
    assert!(of(2, &[&one]).is_none() && of(0, &[&one]).is_none());
    assert!(of(2, &[&one, &one]).is_none(), "an order twice");
    assert!(of(1, &[&octets(&empty, &none)]).is_none(), "no attempt");
    assert!(of(1, &[&octets(&order(NEWEST), &none)]).is_some());
    assert!(
        of(1, &[&octets(&order(NEWEST + 1), &none)]).is_none(),
        "newer than all"
    );
    assert!(of(1, &[&[&one[..], &[0]].concat()]).is_none(), "an octet more");
    assert!(of(1, &[&one[..one.len() - 1]]).is_none(), "an octet less");
    let mut shared = one.clone();
    assert_eq!(shared[16], 0, "the merchant itself");
    shared[16] = 1;
    assert!(of(1, &[&shared]).is_none(), "no such name in front");
    let taken = |octets: &[u8]| {
        whole::<bool>(octets, &Names::default()).is_some()
            || whole::<Channel>(octets, &Names::default()).is_some()
            || whole::<Vec<u64>>(octets, &Names::default()).is_some()
    };
    assert!(taken(&[0]) && taken(&[1]) && taken(&[6]));
    assert!(!taken(&[7]), "no such word, and a list that is not there");
    assert!(!taken(&[0x80, 0]), "another spelling of nothing");
    let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert!(!taken(&[&most[..], &[1]].concat()), "more than there are octets");
    let none = Names::default();
    let count = |octets: &[u8]| {
        In {
            rest: octets,
            names: &none,
        }
        .count()
    };
    assert_eq!(count(&[&most[..], &[1]].concat()), Some(u64::MAX));
    assert_eq!(count(&[&most[..], &[2]].concat()), None, "more than 64 bits");
    assert_eq!(count(&[&most[..], &[0x80, 1]].concat()), None);
    let by = |pairs: &[(u32, bool)]| {
        let mut out = vec![pairs.len() as u8];
        for (n, is) in pairs {
            out.extend(n.to_le_bytes());
            out.push(u8::from(*is));
        }
        whole::<BTreeMap<u32, bool>>(&out, &none).is_some()
    };
    assert!(by(&[(1, true), (2, false)]) && !by(&[(2, true), (1, true)]) && !by(&[(1, true), (1, true)]));
}

#[test]
//= C37
fn token_epochs_are_followed_and_survive_in_the_header() {
    let day = Day::from_number(20_454);
    let opened = |epoch| TradeEvent::EpochOpened {
        epoch,
        from: day,
        grade: "C".into(),
        until: day,
    };
    let mut heads = Heads::default();
    for (index, event) in [opened(1), opened(2), TradeEvent::EpochDestroyed { epoch: 1 }]
        .into_iter()
        .enumerate()
    {
        let nobody = crate::heads::Of {
            merchant: None,
            order: None,
        };
        let entry = heads.entry(
            Instant::from_secs(1),
            nobody,
            None,
            event,
            false,
            Salt::from_bytes([0; 16]),
        );
        heads.follow(index as u64, &entry, None);
    }
    let (heads, _) = through(&Header::of(&heads, Vec::new())).into_heads();
    assert_eq!(heads.epochs, [(1, false), (2, true)].into());
}

/// An older file is not taken after a start, nor where its acquirer had no file in between.
#[test]
//= C23
fn the_last_version_of_each_signed_file_is_followed_and_survives_in_the_header() {
    let file = |kind, acquirer: Option<&str>, version: u8| RegistryVersion {
        kind,
        acquirer: acquirer.map(|no| AcquirerNo::new(no).expect("lawful")),
        version: version.into(),
        digest: Digest::from_bytes([version; 32]),
    };
    use Registry as R;
    let loads = [
        file(R::Operator, None, 1),
        file(R::Acquirer, None, 9), // of an earlier build: whose, nobody can tell
        file(R::Acquirer, Some("A"), 5),
        file(R::Acquirer, Some("B"), 2),
        file(R::Operator, None, 2),
    ];
    let heads = following(loads.into_iter().map(|file| TradeEvent::RegistryLoaded {
        acquirer: file.acquirer,
        digest: file.digest,
        kind: file.kind,
        not_after: Instant::from_secs(9),
        version: file.version,
    }));
    let known = through(&Header::of(&heads, Vec::new())).into_heads().0.registries;
    let expected = [
        file(R::Operator, None, 2),
        file(R::Acquirer, Some("A"), 5),
        file(R::Acquirer, Some("B"), 2),
    ];
    assert_eq!(known, expected);
}

/// A start in the middle of an outage knows of it, from the journal and from a snapshot of it.
#[test]
//= C65
fn accounts_that_are_lost_are_followed_and_survive_in_the_header() {
    let turned = |account: &str, class, state| TradeEvent::BreakerTurned {
        account: AccountNo::new(account).expect("lawful"),
        ailment: None,
        channel: Channel::Wechat,
        class,
        state,
    };
    use {BreakerState as B, OperationClass as Of};
    let events = [
        turned("1", Of::Place, B::Open),
        turned("2", Of::Place, B::Open),
        turned("2", Of::Ask, B::Open),
        turned("1", Of::Place, B::HalfOpen),
        turned("2", Of::Place, B::HalfOpen),
        turned("2", Of::Place, B::Closed),
    ];
    let heads = following(events);
    let lost = |account: &str, class| Lost {
        channel: Channel::Wechat,
        account: AccountNo::new(account).expect("lawful"),
        class,
    };
    let (heads, _) = through(&Header::of(&heads, Vec::new())).into_heads();
    assert_eq!(heads.lost.all(), [lost("1", Of::Place), lost("2", Of::Ask)]);
}
