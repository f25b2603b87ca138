//! One winner per (merchant, order number, operation, number). Same content, same answer; other content is refused;
//! another way to pay under the same number is another attempt, after closing the former at the channel.

use crate::{
    api::{parse::ends_too_soon, render},
    app::App,
    choice, combined,
    fault::{Code, Fault, Stop},
    guard, named as at_unionpay, passthrough,
    payment::{Also, Cargo, Claimed, Command, Create, Refund, Sealed},
    stage::Stage,
    stages::{record, seal::id},
    sweep, trade,
};
use domain::*;
use ledger::{Attempt, Claim as Race, ClaimKey, Held, Order, OrderState};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tokio::time::timeout;

/// Over the ledger.
pub struct Claim(pub App);

impl Stage<Sealed> for Claim {
    type Out = Claimed;

    async fn run(&self, sealed: Sealed) -> Result<Claimed, Stop> {
        let group = self.win_group(&sealed).await?;
        let (held, mut others) = self.win_all(&sealed).await?;
        let order = self.own(&sealed).await?;
        let (held, order) = self.not_beside_a_charge(&sealed, held, order).await?;
        let content = content(&sealed.command, sealed.payer);
        let only_repeats = self.only_repeats(&sealed);
        if let (Command::Refund(refund), None, Cargo::Verbatim(_)) = (&sealed.command, &order, &sealed.cargo)
        {
            let fault = self.without_a_trade(refund, None, &sealed).await;
            return Err(match fault.code {
                Code::NotFound => passthrough::not_ours().into(),
                _ => fault.into(),
            });
        }
        let target = self.target(&sealed, &sealed.command, order.as_deref())?;
        let mut also = Vec::with_capacity(others.len());
        let mut answered = Vec::new();
        for (command, id, held) in others.drain(..) {
            let (other, again) = self.another(&sealed, command, id, held, only_repeats).await?;
            answered.push(again);
            also.push(other);
        }
        let order = match (&sealed.command, order) {
            (Command::Refund(_), Some(order)) => Some(self.paid_meanwhile(order, target).await),
            (Command::Reverse(_), Some(order)) => Some(self.paid_before_a_cancel(order, target).await?),
            (_, order) => order,
        };
        match &sealed.command {
            Command::Create(create) => {
                let judged = self
                    .create(create, order.as_deref(), &content, &sealed, only_repeats)
                    .await
                    .and_then(|()| Ok(in_time(create, order.as_deref(), &content)?))
                    .map_err(|stop| on_record(stop, &sealed.cargo));
                answered.push(again(judged, &sealed)?);
                self.whole(create, &sealed, order.as_ref(), &also, &answered)
                    .await?
            }
            Command::Refund(refund) => {
                self.refund(refund, order.as_deref(), target, &sealed, only_repeats)
                    .await?
            }
            Command::Close(_) => close(order.as_deref(), target, only_repeats)?,
            Command::Reverse(_) => reverse(order.as_deref(), target, &sealed.cargo, only_repeats)?,
            Command::Release(..) | Command::Cancel(..) | Command::Redirect(..) => anew(only_repeats)?,
        }
        Ok(Claimed {
            sealed,
            held,
            order,
            content,
            target,
            also,
            group,
        })
    }
}

/// True where the record answers for one order of a group that we compose; of any other order that is the answer.
fn again(judged: Result<(), Stop>, sealed: &Sealed) -> Result<bool, Stop> {
    match judged {
        Ok(()) => Ok(false),
        Err(Stop::Answer(_)) if matches!(sealed.cargo, Cargo::Compose) && !sealed.also.is_empty() => Ok(true),
        Err(stop) => Err(stop),
    }
}

/// What a payer's browser brings under a number that was used with other content is on record as refused: nobody but the
/// payer hears of it else. (The same again goes on where the order is paid.)
//= C76
fn on_record(stop: Stop, cargo: &Cargo) -> Stop {
    match stop {
        Stop::Fault(fault)
            if matches!(fault.code, Code::OrderChanged | Code::OrderPaid)
                && matches!(cargo, Cargo::Verbatim(verbatim) if verbatim.by_browser) =>
        {
            fault.breaks(Breach::Value, Some("out_trade_no")).into()
        }
        other => other,
    }
}

/// Nothing of it is open at the channel.
fn over(state: AttemptState) -> bool {
    matches!(
        state,
        AttemptState::Closed | AttemptState::Reversed | AttemptState::NotPlaced
    )
}

/// What would be more than a repeat of what is on record.
fn anew(only_repeats: bool) -> Result<(), Fault> {
    match only_repeats {
        true => Err(Fault::new(
            Code::StaleTimestamp,
            "The request was signed before this service started, or came before; sign it anew.",
        )),
        false => Ok(()),
    }
}

/// A close of what is open is never a mere repeat: the order may have been opened again since. One that is under way on
/// this very attempt is: a code that nobody scanned stays open, and an SDK closes it again within the same second.
fn close(order: Option<&Order>, target: Option<u16>, only_repeats: bool) -> Result<(), Fault> {
    let attempt = order.and_then(|order| order.attempt(target.unwrap_or(order.attempts.len() as u16)));
    match attempt {
        Some(attempt) if attempt.state.is_final() || attempt.is_closing() => Ok(()),
        Some(_) => anew(only_repeats),
        None => Err(Fault::of(Code::NotFound)),
    }
}

/// Nor is a reverse, but for what is over already, for one that is under way (an SDK sends it again within the same second),
/// and for a cancel that is on record under its own number.
fn reverse(
    order: Option<&Order>,
    target: Option<u16>,
    cargo: &Cargo,
    only_repeats: bool,
) -> Result<(), Fault> {
    let order = order.ok_or_else(|| Fault::of(Code::NotFound))?;
    if let (Some(position), Cargo::Verbatim(verbatim)) = (target, cargo)
        && let Some(cancel) = &verbatim.cancel
    {
        return match at_unionpay::repeats(order, position, cancel)? {
            true => Ok(()),
            false => anew(only_repeats),
        };
    }
    if let (Some(position), Cargo::Verbatim(verbatim)) = (target, cargo)
        && verbatim.channel == Channel::Unionpay
    {
        at_unionpay::may_be_undone(order, position)?;
    }
    let under_way = target
        .and_then(|position| order.attempt(position))
        .is_some_and(Attempt::is_reversing);
    match order.state() {
        OrderState::Reversed | OrderState::Closed | OrderState::NotPlaced => Ok(()),
        _ if under_way => Ok(()),
        _ => anew(only_repeats),
    }
}

impl Claim {
    /// A refund of nothing, or of an attempt that is not paid, is refused on record, so that the watch sees it (T15a). Of
    /// nothing the caller learns no more than that there is no such order.
    //= C18
    //= C30
    async fn without_a_trade(&self, refund: &Refund, of: Option<(&Order, u16)>, sealed: &Sealed) -> Fault {
        let attempt = of.and_then(|(order, position)| order.attempt(position));
        let event = TradeEvent::Refused {
            amount: Some(refund.amount),
            channel: attempt.map(|attempt| attempt.channel),
            clause: policy::clauses::PAID,
            code: None,
            operation: Operation::Refund,
            order_no: of.map(|(order, _)| order.order_no.clone()),
            payee: None,
            payer: None,
        };
        match self.0.ledger().note(Some(&sealed.merchant.id), vec![event]).await {
            Ok(_) if of.is_some() => Fault::of(Code::OrderNotPaid),
            Ok(_) => Fault::of(Code::NotFound),
            Err(_) => Fault::of(Code::Stopping),
        }
    }

    /// The order, after the channel was asked for a payment that nobody has told us yet.
    async fn paid_meanwhile(&self, order: Arc<Order>, target: Option<u16>) -> Arc<Order> {
        let position = match (target, order.winner()) {
            (None, Some(_)) => return order,
            (target, _) => target.unwrap_or(order.attempts.len() as u16),
        };
        sweep::ask_for_payment(&self.0, order, position).await
    }

    /// The same before a cancel, which pays back what was paid and says no more of it: so its payment is on record first.
    /// Also of what is over here: were it paid there all the same, it would go back unrecorded.
    //= C88
    async fn paid_before_a_cancel(
        &self,
        order: Arc<Order>,
        target: Option<u16>,
    ) -> Result<Arc<Order>, Fault> {
        let asked_for = |position: &u16| {
            let attempt = order.attempt(*position);
            attempt.is_some_and(|a| a.may_be_cancelled() && a.paid.is_none() && a.keys == Keys::Held)
        };
        match target.filter(asked_for) {
            Some(position) => trade::paid_meanwhile(&self.0, order, position).await,
            None => Ok(order),
        }
    }

    /// Nothing of an earlier run's nonces is remembered: what was signed before this run began may only repeat what is on
    /// record. So may a signature that came before, where the channel's protocol has no nonce. Signatures count whole
    /// seconds, so the second of the start itself is let in. Asked under the claim: of identical requests the first is
    /// the one that wins.
    fn only_repeats(&self, sealed: &Sealed) -> bool {
        let app = &self.0;
        let before = sealed.signed_at.secs() < app.started_at().secs();
        let came = sealed.mark.as_ref().is_some_and(|mark| {
            !app.nonces()
                .first_use(sealed.merchant.id.as_str(), mark, app.clock().since_boot())
        });
        before || came
    }

    /// The attempt that a native close, reverse or refund means.
    fn target(
        &self,
        sealed: &Sealed,
        command: &Command,
        order: Option<&Order>,
    ) -> Result<Option<u16>, Fault> {
        let (Cargo::Verbatim(verbatim), by) = (&sealed.cargo, command.order()) else {
            return Ok(None);
        };
        let Some(by) = by else { return Ok(None) };
        let registries = self.0.registries();
        let (_, facts) = registries
            .owner(verbatim.channel, &verbatim.account)
            .ok_or_else(passthrough::not_ours)?;
        let order = order.ok_or_else(passthrough::not_ours)?;
        let (position, attempt) = passthrough::meant(order, facts, verbatim, by)?;
        if matches!(command, Command::Close(_)) {
            passthrough::same_group(attempt, verbatim)?;
        }
        Ok(Some(position))
    }

    /// Another order of a group that is paid together, under its own claim and judged like the first.
    async fn another(
        &self,
        sealed: &Sealed,
        command: Command,
        id: PaymentId,
        held: Held,
        only_repeats: bool,
    ) -> Result<(Also, bool), Stop> {
        let order = self
            .0
            .order(&id)
            .await?
            .filter(|o| o.merchant == sealed.merchant.id);
        let content = content(&command, sealed.payer);
        let target = self.target(sealed, &command, order.as_deref())?;
        let answered = match &command {
            Command::Create(create) => again(
                self.create(create, order.as_deref(), &content, sealed, only_repeats)
                    .await
                    .and_then(|()| Ok(in_time(create, order.as_deref(), &content)?)),
                sealed,
            )?,
            _ => close(order.as_deref(), target, only_repeats).map(|()| false)?,
        };
        let other = Also {
            command,
            id,
            held,
            order,
            content,
            target,
        };
        Ok((other, answered))
    }

    /// Of a group that we compose all orders go out, or none: where the record answers for each of them, it answers for the
    /// group; where it does so for some only, the same group goes out again as long as none of it has come to an end.
    //= C67
    async fn whole(
        &self,
        create: &Create,
        sealed: &Sealed,
        first: Option<&Arc<Order>>,
        also: &[Also],
        answered: &[bool],
    ) -> Result<(), Stop> {
        if let Some(with) = &create.combined {
            self.the_same_group(with, sealed).await?;
        }
        if matches!(sealed.cargo, Cargo::Verbatim(_)) || also.is_empty() {
            return Ok(());
        }
        let on_record = first
            .into_iter()
            .chain(also.iter().filter_map(|o| o.order.as_ref()));
        let on_record: Vec<Arc<Order>> = on_record.cloned().collect();
        if answered.iter().all(|again| *again) {
            return Err(Stop::Answer(
                record::group_answer(&self.0, on_record, render::Said::Again).await?,
            ));
        }
        let open = |order: &Arc<Order>| {
            matches!(
                order.state(),
                OrderState::AwaitingPayment | OrderState::Unknown | OrderState::NotPlaced
            ) && !order.latest().is_closing()
        };
        match !answered.contains(&true) || on_record.iter().all(open) {
            true => Ok(()),
            false => Err(Fault::of(Code::OrderInProgress).into()),
        }
    }

    /// A group's number is one group's: another one under it does not leave, whether the first is on record for long or since a
    /// moment. By an SDK a number under which nothing is open any more is the channel's to judge.
    //= C67
    async fn the_same_group(&self, with: &Combined, sealed: &Sealed) -> Result<(), Fault> {
        let known = match combined::orders(&self.0, &sealed.merchant.id, &with.number).await {
            Ok(known) => known,
            Err(fault) if fault.code == Code::NotFound => return Ok(()),
            Err(fault) => return Err(fault),
        };
        let other = |(order, position): &(Arc<Order>, u16)| {
            let attempt = order.attempt(*position);
            let counts = match &sealed.cargo {
                Cargo::Compose => true,
                Cargo::Verbatim(verbatim) => {
                    attempt.is_some_and(|a| a.account == verbatim.account && !over(a.state))
                }
            };
            counts && attempt.and_then(|a| a.combined.as_ref()) != Some(with)
        };
        match known.iter().any(other) {
            true => Err(Fault::of(Code::OrderChanged)),
            false => Ok(()),
        }
    }

    /// A repeat must not be paid to somebody else. A request that names nobody means the account's own payee.
    fn same_payee(&self, latest: &Attempt, create: &Create) -> bool {
        let registries = self.0.registries();
        let own = registries
            .owner(latest.channel, &latest.account)
            .map(|(_, facts)| &facts.payee);
        create.payee.as_ref().or(own) == Some(&latest.payee)
    }

    /// The claim on the number of a new group, before those of its orders: nobody who holds an order's waits for a group's.
    //= C67
    async fn win_group(&self, sealed: &Sealed) -> Result<Option<Held>, Fault> {
        match &sealed.command {
            Command::Create(Create {
                combined: Some(with), ..
            }) => self
                .win(group_key(&sealed.merchant.id, &with.number))
                .await
                .map(Some),
            _ => Ok(None),
        }
    }

    /// All claims of a group that is paid together, in the order of our numbers, so that two groups never wait for each
    /// other.
    async fn win_all(&self, sealed: &Sealed) -> Result<(Held, Vec<(Command, PaymentId, Held)>), Fault> {
        if sealed.also.is_empty() {
            return Ok((self.win(claim_key(&sealed.command, sealed.id)).await?, Vec::new()));
        }
        let mut wanted: Vec<(PaymentId, Option<&Command>)> = sealed
            .also
            .iter()
            .map(|command| (id(&sealed.merchant.id, command), Some(command)))
            .collect();
        wanted.push((sealed.id, None));
        wanted.sort_unstable_by_key(|(id, _)| *id.as_bytes());
        let (mut first, mut others) = (None, Vec::with_capacity(sealed.also.len()));
        for (id, command) in wanted {
            let held = self
                .win(claim_key(command.unwrap_or(&sealed.command), id))
                .await?;
            match command {
                Some(command) => others.push((command.clone(), id, held)),
                None => first = Some(held),
            }
        }
        Ok((first.ok_or_else(|| Fault::of(Code::Internal))?, others))
    }

    /// The order, if it is this merchant's.
    async fn own(&self, sealed: &Sealed) -> Result<Option<Arc<Order>>, Fault> {
        let order = self.0.order(&sealed.id).await?;
        Ok(order.filter(|o| o.merchant == sealed.merchant.id))
    }

    /// An SDK's close of a payment-code order waits for the charging call, as a reverse does: one that overtook it would find
    /// nothing, and the payer would be charged for what is told as closed. Any other order is closed at once, whatever is on
    /// its way. (By the unified API a payment code is not closed at all.) Nobody who holds an order's claim waits for a
    /// close's.
    //= C60
    async fn not_beside_a_charge(
        &self,
        sealed: &Sealed,
        held: Held,
        order: Option<Arc<Order>>,
    ) -> Result<(Held, Option<Arc<Order>>), Fault> {
        let charges = |order: &Arc<Order>| order.attempts.iter().any(|a| a.pay_way.charges());
        let by_its_client = matches!(
            (&sealed.command, &sealed.cargo),
            (Command::Close(_), Cargo::Verbatim(_))
        );
        if !by_its_client || !order.as_ref().is_some_and(charges) {
            return Ok((held, order));
        }
        let held = self.win(the_orders(sealed.id)).await?;
        Ok((held, self.own(sealed).await?))
    }

    /// The loser of a race waits for the first answer, up to its deadline.
    async fn win(&self, key: ClaimKey) -> Result<Held, Fault> {
        let race = async {
            loop {
                match self.0.ledger().claims().claim(key.clone()) {
                    Race::Won(held) => return held,
                    Race::Lost(busy) => busy.released().await,
                }
            }
        };
        timeout(self.0.claim_wait(), race)
            .await
            .map_err(|_| Fault::of(Code::OrderInProgress))
    }

    async fn create(
        &self,
        create: &Create,
        order: Option<&Order>,
        content: &KeyedDigest,
        sealed: &Sealed,
        only_repeats: bool,
    ) -> Result<(), Stop> {
        let Some(order) = order else {
            return Ok(anew(only_repeats)?);
        };
        let latest = order.latest();
        let native = matches!(sealed.cargo, Cargo::Verbatim(_));
        // Closed or replaced alone, an order of a group would take the others with it.
        let group = |with: &Option<Combined>| with.as_ref().map(|with| with.number.clone());
        if group(&latest.combined) != group(&create.combined) && !over(latest.state) {
            return Err(Fault::of(Code::OrderChanged).into());
        }
        // What the merchant closed or undid no payer opens again at its code: the goods may be sold elsewhere.
        if create.by_code.is_some() && latest.ended_by_merchant() && order.winner().is_none() {
            return Err(Fault::of(Code::OrderClosed).into());
        }
        // The octets of a native request name a number at the channel; under another one they would be another order.
        // Under another time UnionPay would have another order beside it.
        let same_number =
            !native || create.number.as_ref() == Some(&latest.number) && named(&sealed.cargo) == latest.named;
        let same = same_number
            && self.same_payee(latest, create)
            && (latest.content == *content || same_but_token(latest, create, sealed));
        if same && !native {
            the_same_end(order, create)?;
        }
        match (order.state(), same) {
            // Its number is one for ever, and may be on its way yet.
            (_, false) if !native && create.combined.is_some() => Err(Fault::of(Code::OrderChanged).into()),
            // At UnionPay a payment code's number is spent with its charging call, whatever came of that.
            (OrderState::NotPlaced, _)
                if native && latest.channel == Channel::Unionpay && latest.pay_way.charges() =>
            {
                Err(Fault::of(if same {
                    Code::OrderClosed
                } else {
                    Code::OrderChanged
                })
                .into())
            }
            (OrderState::NotPlaced, _) if !only_repeats => Ok(()),
            // Nobody is charged for the former, surely: a fresh code is another attempt under a number of its own.
            (OrderState::Reversed | OrderState::Closed, true)
                if latest.pay_way.charges() && !only_repeats && !native =>
            {
                Ok(())
            }
            // It was closed to go to another account, and did not get there.
            (OrderState::Closed, true) if !only_repeats && !native && choice::moves_on(latest) => Ok(()),
            // Nor by what an SDK sends: it hears how the order stands, and asks for it. (What the channel surely refused is
            // `NotPlaced`, and its number may be tried with a fresh code.)
            //= C60
            (state, true) if latest.pay_way.charges() && native && state != OrderState::NotPlaced => {
                Err(Fault::of(match state {
                    OrderState::Paid | OrderState::PartlyRefunded | OrderState::Refunded => Code::OrderPaid,
                    OrderState::Reversed => Code::OrderReversed,
                    OrderState::Closed => Code::OrderClosed,
                    _ => Code::OrderInProgress,
                })
                .into())
            }
            // What charges is never sent again, with whatever code: the record answers.
            (_, true) if latest.pay_way.charges() && !native => Err(Stop::Answer(
                render::order(&self.0, &sealed.merchant, order, render::Said::Again).await,
            )),
            (OrderState::AwaitingPayment, true)
                if !only_repeats && needs_renewal(latest, self.0.clock().now()) =>
            {
                Ok(())
            }
            // A native request is passed on: the channel gives its own answer to a repeat, and to an order that it has
            // as paid. What is closed here may be unknown there (a code that nobody scanned), so that does not go out.
            // Nor does what waits to be opened so that it can be closed.
            (OrderState::AwaitingPayment, true)
                if native && latest.is_closing() && latest.pay_way.opens_late(latest.channel) =>
            {
                Err(Fault::of(Code::OrderClosed).into())
            }
            (OrderState::AwaitingPayment | OrderState::Unknown, true) if native => Ok(()),
            (OrderState::Paid | OrderState::PartlyRefunded | OrderState::Refunded, true)
                if native && latest.state == AttemptState::Paid =>
            {
                Ok(())
            }
            (OrderState::Reversing, true)
                if native && latest.may_be_cancelled() && latest.pay_way.opens_late(latest.channel) =>
            {
                Err(Fault::of(Code::OrderClosed).into())
            }
            (OrderState::Closed, true) if native => Err(Fault::of(Code::OrderClosed).into()),
            (OrderState::Reversed, true) if native => Err(Fault::of(Code::OrderReversed).into()),
            (OrderState::NotPlaced, _) if native => Ok(anew(only_repeats)?),
            (_, true) if native => Err(Fault::of(Code::OrderInProgress).into()),
            (OrderState::Unknown, true) if !only_repeats && self.lost_its_buyer(latest) => Ok(()),
            (_, true) => Err(Stop::Answer(
                render::order(&self.0, &sealed.merchant, order, render::Said::Again).await,
            )),
            (OrderState::AwaitingPayment | OrderState::Closed | OrderState::Reversed, false)
                if another_way(latest, create) || another_payer(latest, create, sealed) =>
            {
                Ok(anew(only_repeats)?)
            }
            (OrderState::NotPlaced, false) => Ok(anew(only_repeats)?),
            (OrderState::Closed, false) => Err(Fault::of(Code::OrderClosed).into()),
            (OrderState::Reversed, false) => Err(Fault::of(Code::OrderReversed).into()),
            (OrderState::Paid | OrderState::PartlyRefunded | OrderState::Refunded, false) => {
                Err(Fault::of(Code::OrderPaid).into())
            }
            (OrderState::Unknown | OrderState::Reversing, false)
                if another_way(latest, create) || another_payer(latest, create, sealed) =>
            {
                Err(Fault::of(Code::OrderInProgress).into())
            }
            _ => Err(changed(latest, create).into()),
        }
    }

    /// An earlier run left it unknown, and the buyer data that a repeat needs died with that run. The merchant's repeat
    /// brings it again: the same number and parameters go out again, which the channel answers for one order.
    fn lost_its_buyer(&self, latest: &Attempt) -> bool {
        latest.at < self.0.started_at() && latest.closing.is_none() && latest.expires > self.0.clock().now()
    }

    async fn refund(
        &self,
        refund: &Refund,
        order: Option<&Order>,
        target: Option<u16>,
        sealed: &Sealed,
        only_repeats: bool,
    ) -> Result<(), Stop> {
        let Some(order) = order else {
            return Err(self.without_a_trade(refund, None, sealed).await.into());
        };
        if let Some(position) = target
            && order.attempt(position).is_none_or(|a| a.paid.is_none())
        {
            let unpaid = Some((order, position));
            return Err(self.without_a_trade(refund, unpaid, sealed).await.into());
        }
        let Some(earlier) = order.refund(&refund.refund_no) else {
            return Ok(anew(only_repeats)?);
        };
        let native = matches!(sealed.cargo, Cargo::Verbatim(_));
        match earlier.state {
            _ if earlier.amount != refund.amount => {
                let on_record = format!("`amount` is {} on record.", earlier.amount.fen());
                Err(Fault::new(Code::RefundChanged, on_record).into())
            }
            _ if target.is_some_and(|position| position != earlier.attempt) => {
                Err(Fault::of(Code::RefundChanged).into())
            }
            RefundState::Failed => Ok(anew(only_repeats)?),
            // What waits to be released is not sent because the number comes again, nor held back what is on its way.
            _ if !native && earlier.was_held().is_some_and(|held| held != refund.hold) => Err(Fault::new(
                Code::RefundChanged,
                format!(
                    "`hold` is {} on record; a refund that is held is sent by its release.",
                    !refund.hold
                ),
            )
            .into()),
            // What was never sent, or was sent under another number, would be another refund at the channel.
            RefundState::Held | RefundState::Cancelled if native => {
                Err(Fault::of(Code::RefundChanged).into())
            }
            _ if native && named(&sealed.cargo) != earlier.named => {
                Err(Fault::of(Code::RefundChanged).into())
            }
            _ if native && refund.number.as_ref() != Some(&earlier.number) => {
                Err(Fault::of(Code::RefundChanged).into())
            }
            // As often as the SDK likes: under the same number the channel pays back once.
            _ if native => Ok(()),
            _ => Err(Stop::Answer(
                render::refund(&self.0, &sealed.merchant, order, earlier, render::Said::Again).await,
            )),
        }
    }
}

/// The time that belongs to the number which native bytes name.
fn named(cargo: &Cargo) -> Option<Instant> {
    match cargo {
        Cargo::Verbatim(verbatim) => verbatim.named,
        Cargo::Compose => None,
    }
}

/// A reverse and the charging call that it undoes exclude each other: one that overtook the other would leave the payer
/// charged.
//= C60
fn claim_key(command: &Command, order: PaymentId) -> ClaimKey {
    let number = match command {
        Command::Refund(refund) => Some(Arc::from(refund.refund_no.as_str())),
        Command::Release(_, refund_no) | Command::Cancel(_, refund_no) => Some(Arc::from(refund_no.as_str())),
        Command::Redirect(_, asked) => Some(Arc::from(asked.refund_no.as_str())),
        Command::Create(_) | Command::Close(_) | Command::Reverse(_) => None,
    };
    match command.operation() {
        Operation::Reverse => the_orders(order),
        operation => ClaimKey {
            order,
            operation,
            number,
        },
    }
}

/// The claim on the order itself: whoever holds it begins, charges or undoes.
pub(crate) fn the_orders(order: PaymentId) -> ClaimKey {
    ClaimKey {
        order,
        operation: Operation::Create,
        number: None,
    }
}

/// A group's number is nobody's order; its claim stands beside those of orders under a number of its own.
fn group_key(merchant: &MerchantId, number: &ChannelNo) -> ClaimKey {
    let hash = Sha256::new()
        .chain_update(b"guandao-group\0")
        .chain_update(merchant.as_str())
        .chain_update(b"\0")
        .chain_update(number.as_str())
        .finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    ClaimKey {
        order: PaymentId::from_bytes(id),
        operation: Operation::Create,
        number: None,
    }
}

/// Two hours at WeChat, five minutes for a link; asked for anew a little earlier. Alipay's last as long as the order.
/// What was handed out is kept nowhere and is signed anew. While a close is under way of what may not be opened yet,
/// nothing more of it goes out.
fn needs_renewal(attempt: &Attempt, now: Instant) -> bool {
    match &attempt.reach {
        _ if attempt.is_closing() && attempt.pay_way.opens_late(attempt.channel) => false,
        // What is being closed is not sent again.
        None => !attempt.is_closing(),
        Some((Reach::HandedOut, _)) => attempt.expires > now,
        Some((Reach::Link(_), since)) => now >= since.plus_millis(270_000),
        Some((_, since)) => attempt.channel == Channel::Wechat && now >= since.plus_millis(110 * 60_000),
    }
}

/// While an order is open its end is what was first said: a repeat that names another one would rely on what is not so. One that
/// names none does not. A payment code's repeat is answered from the record, and of a group's orders nobody knows here who named
/// their end.
fn the_same_end(order: &Order, create: &Create) -> Result<(), Fault> {
    let latest = order.latest();
    let open = matches!(order.state(), OrderState::AwaitingPayment | OrderState::Unknown);
    let counts = create.by_code.is_none() && create.combined.is_none() && !latest.pay_way.charges();
    match create.expires {
        // Merchants are told whole seconds.
        Some(end) if open && counts && end.secs() != latest.expires.secs() => Err(Fault::new(
            Code::OrderChanged,
            format!(
                "`expires_at` is {} on record; repeat the order with that, or without one.",
                latest.expires
            ),
        )),
        _ => Ok(()),
    }
}

/// What begins now needs its time. A repeat of what is on record names the end that is on record, up to the last moment.
pub(crate) fn in_time(create: &Create, order: Option<&Order>, content: &KeyedDigest) -> Result<(), Fault> {
    let repeats = |order: &Order| record::renews(order, create, content);
    match create.ends_too_soon && !order.is_some_and(repeats) {
        true => Err(guard::of_reading(ends_too_soon(), Some(create.channel))),
        false => Ok(()),
    }
}

/// That another content came under an order's number, and which field of it is another, as far as the record has them.
fn changed(latest: &Attempt, create: &Create) -> Fault {
    let registered = create.device != crate::payment::Registered::None;
    let fields = [
        ("amount", latest.amount != create.amount),
        ("channel", latest.channel != create.channel),
        ("pay_way", latest.pay_way != create.pay_way),
        ("code", latest.code != create.code),
        (
            "account",
            create.account.as_ref().is_some_and(|own| *own != latest.account),
        ),
        (
            "payee",
            create.payee.as_ref().is_some_and(|own| *own != latest.payee),
        ),
        ("bank", latest.bank != create.bank),
        ("terminal", !registered && latest.terminal != create.terminal),
    ];
    let others: Vec<&str> = fields
        .iter()
        .filter_map(|(name, differs)| differs.then_some(*name))
        .collect();
    match others.is_empty() {
        true => Fault::of(Code::OrderChanged),
        false => Fault::new(
            Code::OrderChanged,
            format!("Not as on record: `{}`.", others.join("`, `")),
        ),
    }
}

/// The same order by another channel or way to pay.
fn another_way(latest: &Attempt, create: &Create) -> bool {
    latest.amount == create.amount
        && latest.code == create.code
        && (latest.channel != create.channel || latest.pay_way != create.pay_way)
}

/// The same order by another payer of the same wallet, who scanned its code.
fn another_payer(latest: &Attempt, create: &Create, sealed: &Sealed) -> bool {
    create.by_code.is_some()
        && sealed.payer.is_some()
        && latest.amount == create.amount
        && latest.code == create.code
}

/// The same but for a payer token of another epoch, which cannot be compared.
fn same_but_token(latest: &Attempt, create: &Create, sealed: &Sealed) -> bool {
    let epochs_differ = match (latest.payer, sealed.payer) {
        (Some(a), Some(b)) => a.epoch != b.epoch,
        _ => false,
    };
    epochs_differ
        && latest.amount == create.amount
        && latest.code == create.code
        && latest.channel == create.channel
        && latest.pay_way == create.pay_way
}

/// What makes a repeat the same: facts and payer token. Free text and C3 data take no part.
fn content(command: &Command, payer: Option<PayerToken>) -> KeyedDigest {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    if let Command::Create(create) = command {
        add(create.channel.as_str().as_bytes());
        add(create.pay_way.as_str().as_bytes());
        add(&create.amount.fen().to_be_bytes());
        add(format!("{:?}", create.code).as_bytes());
        add(create.account.as_ref().map_or(&[], |a| a.as_str().as_bytes()));
        // A device in a channel's own fields is as free as text: whose it is may change between two repeats.
        let terminal = create
            .terminal
            .as_ref()
            .filter(|_| create.device == crate::payment::Registered::None);
        add(terminal.map_or(&[], |t| t.as_str().as_bytes()));
        if let Some(product) = &create.product {
            add(b"product");
            add(product.as_str().as_bytes());
        }
        if let Some(bank) = &create.bank {
            add(b"bank");
            add(bank.as_str().as_bytes());
        }
        if let Some(appid) = &create.appid {
            add(appid.as_str().as_bytes());
        }
        if let Some(sub_appid) = &create.sub_appid {
            add(b"sub_appid");
            add(sub_appid.as_str().as_bytes());
        }
        add(payer.as_ref().map_or(&[][..], |p| &p.token.as_bytes()[..]));
        if let Some(group) = &create.combined {
            add(group.number.as_str().as_bytes());
            group
                .parts
                .iter()
                .for_each(|part| add(format!("{} {}", part.number, part.payee).as_bytes()));
        }
    }
    KeyedDigest::from_bytes(hash.finalize().into())
}
