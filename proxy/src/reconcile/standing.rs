//! A list of differences put right: what a comparison found against what stands on record of its bill, be that what an earlier
//! comparison found or what this one did before it was cut short.

use domain::*;
use ledger::{Ledger, LookupError};
use std::collections::HashMap;

/// What is still to be put on record so that the bill's list is what was found: what is found no more is settled, in the order of
/// the journal; then comes what is new, in the order in which it was found. What stands already keeps its place, and with it what
/// officers made of it. Blocks.
//= C61
pub(super) fn rest(
    ledger: &Ledger,
    bill: &BillKey,
    found: Vec<TradeEvent>,
) -> Result<Vec<TradeEvent>, LookupError> {
    let mut standing = Vec::new();
    if let Some(head) = ledger.bill(bill) {
        let all = [head.differs, head.early, head.unanswered];
        for index in all.into_iter().flatten() {
            standing.push((index, ledger.entry(index)?.event));
        }
    }
    Ok(put_right(bill, standing, found))
}

fn put_right(bill: &BillKey, standing: Vec<(u64, TradeEvent)>, found: Vec<TradeEvent>) -> Vec<TradeEvent> {
    let mut known: HashMap<Vec<u8>, Vec<u64>> = HashMap::new();
    for (index, event) in standing.into_iter().rev() {
        known.entry(matter(&event)).or_default().push(index);
    }
    let new: Vec<TradeEvent> = found
        .into_iter()
        .filter(|event| {
            let same = known.get_mut(&matter(event));
            same.and_then(Vec::pop).is_none()
        })
        .collect();
    let mut gone: Vec<u64> = known.into_values().flatten().collect();
    gone.sort_unstable();
    let settled = gone.into_iter().map(|difference| TradeEvent::BillSettled {
        bill: bill.clone(),
        difference,
    });
    settled.chain(new).collect()
}

/// What a finding says, wherever it stands in a list. What is missing may be called so for now or for good: the next day's bill says
/// which, and its word counts.
fn matter(event: &TradeEvent) -> Vec<u8> {
    let mut event = event.clone();
    if let TradeEvent::BillDiffers {
        bill_trade_no,
        difference,
        n,
        ..
    } = &mut event
    {
        *n = 0;
        if bill_trade_no.is_none() && *difference == DifferenceKind::Day {
            *difference = DifferenceKind::OnlyHere;
        }
    }
    serde_json::to_vec(&event).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bill() -> BillKey {
        BillKey {
            account: AccountNo::new("1900000109").expect("lawful"),
            channel: Channel::Wechat,
            day: Day::from_number(20_454),
            kind: BillKind::Trade,
        }
    }

    fn differs(n: u64, number: &str, difference: DifferenceKind, state: RecordState) -> TradeEvent {
        TradeEvent::BillDiffers {
            amount: None,
            bill: bill(),
            bill_amount: None,
            bill_state: None,
            bill_trade_no: None,
            day: bill().day,
            difference,
            movement: Movement::Payment,
            n,
            number: ChannelNo::new(number).ok(),
            payment: None,
            refund: None,
            state: Some(state),
            trade_no: None,
        }
    }

    fn settled(difference: u64) -> TradeEvent {
        TradeEvent::BillSettled {
            bill: bill(),
            difference,
        }
    }

    /// Wherever a kill comes, what is left to do is the rest of the same list.
    #[test]
    //= C61
    fn a_list_is_put_right_by_what_is_settled_and_what_is_new_wherever_it_was_cut_short() {
        use {DifferenceKind as K, RecordState as R};
        let before = [
            differs(1, "A", K::State, R::Open),
            differs(2, "B", K::Day, R::Done),
            differs(3, "C", K::Repeated, R::Done),
            differs(4, "C", K::Repeated, R::Done),
            differs(5, "D", K::Amount, R::Done),
        ];
        let standing: Vec<(u64, TradeEvent)> = (10..).zip(before).collect();
        // A is paid here too now; B is missing for good; C stands there once less; D is as before; E is new.
        let found = vec![
            differs(1, "D", K::Amount, R::Done),
            differs(2, "C", K::Repeated, R::Done),
            differs(3, "B", K::OnlyHere, R::Done),
            differs(4, "E", K::OnlyHere, R::Done),
        ];
        let whole = put_right(&bill(), standing.clone(), found.clone());
        let new = differs(4, "E", K::OnlyHere, R::Done);
        assert_eq!(whole, [settled(10), settled(13), new]);
        for cut in 0..=whole.len() {
            let mut stands = standing.clone();
            for (event, at) in whole[..cut].iter().zip(20..) {
                match event {
                    TradeEvent::BillSettled { difference, .. } => {
                        stands.retain(|(index, _)| index != difference)
                    }
                    new => stands.push((at, new.clone())),
                }
            }
            assert_eq!(
                put_right(&bill(), stands, found.clone()),
                whole[cut..],
                "after {cut}"
            );
        }
        let all: Vec<TradeEvent> = standing.iter().map(|(_, event)| event.clone()).collect();
        assert_eq!(put_right(&bill(), standing, all.clone()), []);
        assert_eq!(
            put_right(&bill(), Vec::new(), all.clone()),
            all,
            "the first comparison"
        );
    }
}
