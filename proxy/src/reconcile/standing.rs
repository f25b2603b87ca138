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
            // An older build's findings tell no states.
            let mut stands = |matter: Vec<u8>| known.get_mut(&matter).and_then(Vec::pop);
            let same = stands(matter(event)).or_else(|| stands(matter(&stateless(event))));
            same.is_none()
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

fn stateless(event: &TradeEvent) -> TradeEvent {
    let mut event = event.clone();
    if let TradeEvent::BillDiffers {
        state, bill_state, ..
    } = &mut event
    {
        (*state, *bill_state) = (None, None);
    }
    event
}

/// What a finding says, wherever it stands in a list. What is missing may be called so for now or for good: the next day's bill says
/// which, and its word counts. That nobody told, or that surely no money moved, makes no other finding of it, and neither does the
/// code of a channel that does not answer.
fn matter(event: &TradeEvent) -> Vec<u8> {
    let mut event = event.clone();
    match &mut event {
        TradeEvent::BillDiffers {
            bill_trade_no,
            difference,
            n,
            state,
            ..
        } => {
            *n = 0;
            if bill_trade_no.is_none() && *difference == DifferenceKind::Day {
                *difference = DifferenceKind::OnlyHere;
            }
            if *state == Some(RecordState::Gone) {
                *state = Some(RecordState::Open);
            }
        }
        TradeEvent::BillUnanswered { movements, .. } => {
            movements.iter_mut().for_each(|one| one.code = "".into());
        }
        _ => {}
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

    /// What officers made of a finding is not lost to a build that says more of it, nor to what makes no other of it.
    #[test]
    //= C61
    fn what_an_older_build_found_is_the_same_and_so_is_what_came_to_nothing_meanwhile() {
        use {DifferenceKind as K, RecordState as R};
        let found = |state| differs(1, "A", K::State, state);
        let right = |standing: TradeEvent, found| put_right(&bill(), vec![(10, standing)], vec![found]);
        assert_eq!(right(stateless(&found(R::Open)), found(R::Open)), []);
        assert_eq!(right(found(R::Open), found(R::Gone)), []);
        let undone = found(R::Undone);
        assert_eq!(right(found(R::Open), undone.clone()), [settled(10), undone]);
        let twice = put_right(
            &bill(),
            vec![(10, stateless(&found(R::Open)))],
            vec![found(R::Open), found(R::Open)],
        );
        assert_eq!(twice, [found(R::Open)], "it stands for one");
        // A channel that does not answer may say so in other words each time.
        let unanswered = |code: &str, number: &str| TradeEvent::BillUnanswered {
            bill: bill(),
            movements: vec![Unanswered {
                code: code.into(),
                number: ChannelNo::new(number).expect("lawful"),
                payment: PaymentId::from_bytes([3; 16]),
                refund: None,
            }],
        };
        assert_eq!(right(unanswered("timeout", "A"), unanswered("unclear", "A")), []);
        assert_eq!(
            right(unanswered("unclear", "A"), unanswered("unclear", "B")).len(),
            2
        );
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
