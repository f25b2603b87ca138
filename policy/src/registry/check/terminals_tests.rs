use crate::testing::*;
use domain::*;

fn wrongs(change: impl Fn(&mut crate::registry::AcquirerFile)) -> Vec<String> {
    let mut file = acquirer();
    change(&mut file);
    match join(licence(), vec![file], operator()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .iter()
            .map(|p| format!("{} {}", p.path, p.wrong))
            .collect(),
    }
}

fn shop(id: &str, name: &str, address: &str) -> Option<Shop> {
    Some(Shop {
        address: address.into(),
        id: id.into(),
        name: name.into(),
    })
}

#[test]
//= C53
fn a_serial_is_one_merchants_once() {
    assert!(wrongs(|_| ()).is_empty());
    let other = wrongs(|file| file.merchants[1].terminals[0].no = name("T-1"));
    assert_eq!(
        other,
        ["$.merchants[1].terminals[0].no acquirer acq1: T-1 is a terminal of merchant m1 too"]
    );
    let twice = wrongs(|file| {
        let again = file.merchants[0].terminals[0].clone();
        file.merchants[0].terminals.push(again);
    });
    assert_eq!(
        twice,
        ["$.merchants[0].terminals[1].no acquirer acq1: T-1 stands twice"]
    );
}

#[test]
//= C53
fn terminals_want_all_five_elements_of_their_merchant() {
    let said = wrongs(|file| (file.merchants[0].uscc, file.merchants[0].settlement) = (None, None));
    assert_eq!(
        said,
        [
            "$.merchants[0].uscc acquirer acq1: is missing, and the merchant has terminals",
            "$.merchants[0].settlement acquirer acq1: is missing, and the merchant has terminals"
        ]
    );
    let without = wrongs(|file| {
        let merchant = &mut file.merchants[0];
        (merchant.uscc, merchant.settlement) = (None, None);
        merchant.terminals.clear();
    });
    assert!(
        without.iter().all(|said| !said.contains("is missing")),
        "{without:?}"
    );
}

#[test]
//= C53
fn what_no_channel_takes_is_not_registered() {
    let at = |field: &str| format!("$.merchants[0].terminals[0].{field} ");
    let refused = |field: &str, change: &dyn Fn(&mut crate::registry::Terminal)| {
        let said = wrongs(|file| change(&mut file.merchants[0].terminals[0]));
        assert!(
            said.len() == 1 && said[0].starts_with(&at(field)),
            "{field}: {said:?}"
        );
    };
    for area in ["", "31010", "3101010", "31010a", "３１０１０１"] {
        refused("area", &|t| t.area = area.into());
    }
    refused("no", &|t| t.no = name(&"7".repeat(33)));
    for id in ["", "4900000", "490000021", "4900-002"] {
        refused("term_id", &|t| t.term_id = Some(id.into()));
    }
    for id in ["", "S 1", &"S".repeat(33)] {
        refused("store.id", &|t| t.store = shop(id, "一店", "一路 1 号"));
    }
    refused("store.name", &|t| t.store = shop("S1", " ", "一路 1 号"));
    refused("store.address", &|t| t.store = shop("S1", "一店", "\"一路\""));
    refused("store", &|t| t.store = shop("S1", "一店", &"路".repeat(60)));
    let good = wrongs(|file| {
        let terminal = &mut file.merchants[0].terminals[0];
        (terminal.store, terminal.term_id) = (shop("S1", "一店", "一路 1 号"), Some("49000002".into()));
    });
    assert!(good.is_empty(), "{good:?}");
}
