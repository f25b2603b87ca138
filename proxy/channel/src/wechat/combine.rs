//! Several orders that one payment pays, all or none (合单; channels.md 1.2): read for pass-through, asked for and closed
//! by us, and as WeChat states them.

use super::{bodies, compose, facts, native::Said};
use crate::{
    Account, ChannelState, ComposeError, Draft, OrderView, Stamp,
    native::{CombinedOrders, Native, NativeError, SubOrder},
    shape,
    strict_json::Value,
    times,
};
use domain::{AccountNo, Amount, Breach, ChannelNo, Combined, PaidFacts, PayWay, PayeeNo, TradeNo};
use std::collections::BTreeSet;
use vault::Text;

/// A direct merchant combines 2 to 10 orders, a service provider up to 50 (channels.md 1.2).
const MOST: usize = 50;

const PATH: &str = "/v3/combine-transactions/out-trade-no";

const OPENID: &str = "combine_payer_info.openid";
const SUB_OPENID: &str = "combine_payer_info.sub_openid";

/// A new group of orders.
pub(super) fn create(said: &Said<'_>, pay_way: PayWay, native: &mut Native) -> Result<(), NativeError> {
    let number = lawful(said.need("combine_out_trade_no")?, "combine_out_trade_no")?;
    native.app = Some(said.need("combine_appid")?.to_owned());
    native.notify_url = Some(said.need("notify_url")?.to_owned());
    native.expires = said.time("time_expire")?;
    said.time("time_start")?;
    if pay_way == PayWay::Jsapi {
        let payer = facts::payer_by(said.said(OPENID), said.said(SUB_OPENID), false);
        let missing = || NativeError::malformed(format!("{OPENID} is missing"));
        native.payer = Some(payer.ok_or_else(missing)?);
    }
    native.pay_way = Some(pay_way);
    native.device = said.device("id");
    group(said, number, true, native)
}

/// Asks for the group; it names nobody else than the account.
pub(super) fn query(number: &ChannelNo, native: &mut Native) {
    native.combined = Some(CombinedOrders {
        number: number.clone(),
        orders: Vec::new(),
    });
}

/// Closes the group; each order of it is listed.
pub(super) fn close(said: &Said<'_>, number: &ChannelNo, native: &mut Native) -> Result<(), NativeError> {
    group(said, number.clone(), false, native)
}

fn lawful(number: &str, name: &str) -> Result<ChannelNo, NativeError> {
    match ChannelNo::new(number) {
        Ok(lawful) if compose::number_fits(number) => Ok(lawful),
        _ => Err(NativeError::malformed(format!(
            "{name} must be 6 to 32 characters of 0-9 A-Z a-z _ - | *"
        ))),
    }
}

fn group(said: &Said<'_>, number: ChannelNo, priced: bool, native: &mut Native) -> Result<(), NativeError> {
    let list = said.value.and_then(|v| v.list("sub_orders")).unwrap_or_default();
    if !(2..=MOST).contains(&list.len()) {
        return Err(NativeError::malformed(format!(
            "sub_orders must be a list of 2 to {MOST} orders"
        )));
    }
    let orders = list
        .iter()
        .enumerate()
        .map(|(n, sub)| sub_order(sub, n, priced, &native.account));
    let orders = orders.collect::<Result<Vec<_>, _>>()?;
    let apps = list.iter().map(|sub| sub.said("sub_appid"));
    native.sub_apps = apps
        .zip(&orders)
        .filter_map(|(app, order)| Some((order.payee.clone(), app?.to_owned())))
        .collect();
    let numbers: BTreeSet<&ChannelNo> = orders
        .iter()
        .map(|order| &order.number)
        .chain([&number])
        .collect();
    if numbers.len() != orders.len() + 1 {
        return Err(NativeError::malformed("sub_orders: a number stands twice"));
    }
    let first = orders
        .first()
        .ok_or_else(|| NativeError::malformed("sub_orders is empty"))?;
    native.number = Some(first.number.clone());
    native.payee = Some(first.payee.clone());
    native.amount = first.amount;
    native.combined = Some(CombinedOrders { number, orders });
    Ok(())
}

fn sub_order(sub: &Value, n: usize, priced: bool, account: &AccountNo) -> Result<SubOrder, NativeError> {
    let at = |name: &str| format!("sub_orders[{n}].{name}");
    let missing = |name: &str| NativeError::malformed(format!("{} is missing", at(name)));
    let need = |name: &str| {
        sub.text(name)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| missing(name))
    };
    let number = lawful(need("out_trade_no")?, &at("out_trade_no"))?;
    let amount = match priced {
        true => {
            need("description")?;
            Some(
                sub.at("amount.total_amount")
                    .and_then(shape::fen)
                    .ok_or_else(|| missing("amount.total_amount"))?,
            )
        }
        false => None,
    };
    // Who is paid: the merchant number itself, or a sub-merchant under this very account.
    let mchid = need("mchid")?;
    let payee = match sub.text("sub_mchid") {
        Some(_) if mchid != account.as_str() => {
            return Err(NativeError::malformed(format!(
                "{} is not the mchid of the Authorization header",
                at("mchid")
            ))
            .breaking(Breach::Payee, Some("mchid")));
        }
        Some(sub_mchid) => sub_mchid,
        None => mchid,
    };
    let payee = PayeeNo::new(payee).map_err(|e| NativeError::malformed(format!("{}: {e}", at("mchid"))))?;
    Ok(SubOrder {
        number,
        payee,
        amount,
    })
}

/// Asks for a group by its number.
pub(crate) fn ask(account: &Account, stamp: &Stamp, with: &Combined) -> Result<Draft, ComposeError> {
    compose::get(
        account,
        stamp,
        format!("{PATH}/{}", compose::escaped(&with.number)),
    )
}

/// Closes a group: all its orders are listed again.
pub(crate) fn ask_to_close(account: &Account, stamp: &Stamp, with: &Combined) -> Result<Draft, ComposeError> {
    let own = account.account.as_str();
    let orders = with.parts.iter().map(|part| bodies::SubClose {
        mchid: own,
        out_trade_no: part.number.as_str(),
        sub_mchid: Some(part.payee.as_str()).filter(|payee| *payee != own),
    });
    let body = bodies::CombineClose {
        combine_appid: account.appid.as_deref().ok_or(ComposeError::Account("appid"))?,
        sub_orders: orders.collect(),
    };
    compose::post(
        account,
        stamp,
        format!("{PATH}/{}/close", compose::escaped(&with.number)),
        &body,
    )
}

/// True for what is said of a group.
pub(super) fn is_group(value: &Value) -> bool {
    value.get("combine_out_trade_no").is_some()
}

/// Every order of the group; `None` where something that one must state is missing or unlawful.
pub(super) fn views(group: &Value) -> Option<Vec<OrderView>> {
    let account = group.text("combine_mchid").map(AccountNo::new).transpose().ok()?;
    group
        .list("sub_orders")?
        .iter()
        .map(|sub| view(group, sub, account.clone()))
        .collect()
}

fn view(group: &Value, sub: &Value, account: Option<AccountNo>) -> Option<OrderView> {
    let number = ChannelNo::new(sub.text("out_trade_no")?).ok()?;
    let state = match sub.text("trade_state")? {
        "NOTPAY" => ChannelState::NotPaid,
        "SUCCESS" => ChannelState::Paid(paid(sub, &number)?),
        "REFUND" => ChannelState::Refunded(paid(sub, &number)?),
        "CLOSED" => ChannelState::Closed,
        _ => return None,
    };
    let payee = sub.text("sub_mchid").or(sub.text("mchid"));
    Some(OrderView {
        number,
        time: None,
        state,
        account,
        payee: payee.map(PayeeNo::new).transpose().ok()?,
        // A group is of the account's own app, whoever else's its orders are of.
        payer: facts::payer_by(group.said(OPENID), group.said(SUB_OPENID), false),
        attach: sub.text("attach").filter(|text| !text.is_empty()).map(Text::from),
    })
}

fn paid(sub: &Value, number: &ChannelNo) -> Option<PaidFacts> {
    if sub
        .text("amount.currency")
        .is_some_and(|currency| currency != "CNY")
    {
        return None;
    }
    Some(PaidFacts {
        amount: sub
            .integer("amount.total_amount")
            .map(Amount::from_fen)
            .filter(|a| *a <= Amount::MAX)?,
        bank_type: sub.text("bank_type").and_then(facts::class_word),
        number: number.clone(),
        paid_at: times::rfc3339(sub.text("success_time")?)?,
        trade_no: TradeNo::new(sub.text("transaction_id")?).ok()?,
    })
}
