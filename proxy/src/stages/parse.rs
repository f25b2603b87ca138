//! Strict reading: what is asked, apart from what is the buyer's.

use crate::{
    api::{self, route::Resource},
    app::App,
    combined,
    fault::{Code, Fault, Stop},
    guard, passthrough,
    payment::{Authenticated, Cargo, Clear, Command, Create, Limited, OrderRef, Parsed, Redirect, Refund},
    redirect,
    stage::Stage,
    terminal, trade,
};
use channel::native::{CombinedOrders, Device, Native, SubOrder};
use domain::*;
use ledger::payment_id;
use policy::registry::MerchantFacts;
use vault::Text;

/// Of the unified API and of native requests.
pub struct Parse(pub App);

impl Stage<Limited> for Parse {
    type Out = Parsed;

    async fn run(&self, Limited(request): Limited) -> Result<Parsed, Stop> {
        let Authenticated {
            received,
            merchant,
            signed_at,
            native,
            terminal,
            mark,
        } = request;
        let Some(native) = native else {
            // Whatever a path would change that names nothing of ours, it is no call that we carry.
            let resource =
                api::route::resource(&received.head.method, received.head.uri.path()).map_err(|fault| {
                    match fault.code {
                        Code::NotFound => fault.breaks(Breach::Operation, Some(UNLISTED)),
                        _ => fault,
                    }
                })?;
            if received.head.uri.query().is_some() {
                return Err(
                    Fault::new(Code::MalformedRequest, "This operation takes no query.")
                        .breaks(Breach::Form, None)
                        .into(),
                );
            }
            let of_reading = |fault| guard::of_reading(fault, api::parse::named_channel(&received));
            let (mut command, mut also, mut clear) = match &resource {
                Resource::CreateGroup => {
                    let asked = api::parse::group::asked(&received).map_err(of_reading)?;
                    combined::commands(&self.0, &merchant, asked)
                        .await
                        .map_err(of_reading)?
                }
                Resource::CloseGroup(number) => {
                    api::parse::empty(&received).map_err(of_reading)?;
                    let (command, also) = combined::close(&self.0, &merchant.id, number).await?;
                    (command, also, Clear::default())
                }
                _ => {
                    let (command, clear) = api::parse::command(&resource, &received).map_err(of_reading)?;
                    (command, Vec::new(), clear)
                }
            };
            if let Some(own) = &terminal {
                for command in std::iter::once(&mut command).chain(&mut also) {
                    terminal::bound(&self.0, own, command).await?;
                }
            }
            if let (Command::Create(create), Some(buyer)) = (&mut command, &clear.buyer) {
                let device = buyer.device_id.as_ref().filter(|_| create.terminal.is_none());
                terminal::settle(
                    &self.0,
                    &merchant,
                    create,
                    device.map(|serial| Device {
                        serial: Some(Text::from(serial.expose())),
                        ..Device::default()
                    }),
                );
                for other in &mut also {
                    if let Command::Create(other) = other {
                        (other.terminal, other.device) = (create.terminal.clone(), create.device);
                    }
                }
            }
            comes_back(&merchant, &command, &mut clear)?;
            may_return(&merchant, &clear).map_err(|fault| guard::of_reading(fault, None))?;
            return Ok(Parsed {
                merchant,
                signed_at,
                mark,
                command,
                also,
                cargo: Cargo::Compose,
                clear,
            });
        };
        let channel = native.channel;
        let read = |fault| guard::of_reading(fault, Some(channel));
        let mut native = native;
        let device = native.device.take();
        let mut command = self.command(&merchant.id, &native).await.map_err(read)?;
        if let Command::Create(create) = &mut command {
            terminal::settle(&self.0, &merchant, create, device);
        }
        let also = self.also(&merchant.id, &native, &command).await.map_err(read)?;
        let verbatim = passthrough::verbatim(&received, &native);
        let clear = Clear {
            payer: native.payer,
            texts: native.texts,
            ..Clear::default()
        };
        Ok(Parsed {
            merchant,
            signed_at,
            mark,
            command,
            also,
            cargo: Cargo::Verbatim(verbatim),
            clear,
        })
    }
}

/// UnionPay wants to know where the payer's browser goes back to (`frontUrl`, channels.md 4.3): where the order does not
/// say, to the first host that is registered for the merchant.
fn comes_back(merchant: &MerchantFacts, command: &Command, clear: &mut Clear) -> Result<(), Fault> {
    let (Command::Create(create), Some(buyer)) = (command, &mut clear.buyer) else {
        return Ok(());
    };
    if matches!(create.pay_way, PayWay::Gateway | PayWay::GatewayB2b) && buyer.return_url.is_none() {
        let host = merchant.return_hosts.first().ok_or_else(|| {
            Fault::new(Code::InvalidField, "`return_url` must be there: no host is registered for this merchant (return_hosts) to which the payer's browser could go back.")
        })?;
        buyer.return_url = Some(Text::new(format!("https://{host}/")));
    }
    Ok(())
}

/// A payer's browser is sent back to the merchant's own registered hosts and to nobody else's.
fn may_return(merchant: &MerchantFacts, clear: &Clear) -> Result<(), Fault> {
    let Some(buyer) = &clear.buyer else { return Ok(()) };
    for (name, address) in [("return_url", &buyer.return_url), ("quit_url", &buyer.quit_url)] {
        if address
            .as_ref()
            .is_some_and(|address| !merchant.may_return_to(address.expose()))
        {
            return Err(Fault::new(
                Code::InvalidField,
                format!(
                    "`{name}` must be an https address, without blanks and marks that have to be escaped, at a host that the operator has registered for this merchant (return_hosts)."
                ),
            ));
        }
    }
    Ok(())
}

impl Parse {
    async fn command(&self, merchant: &MerchantId, native: &Native) -> Result<Command, Fault> {
        let missing = |what: &str| Fault::new(Code::InvalidField, format!("The request must name {what}."));
        match native.operation {
            Operation::Create => {
                let number = native
                    .number
                    .clone()
                    .ok_or_else(|| missing("the order's number"))?;
                Ok(Command::Create(Create {
                    order_no: OrderNo::new(number.as_str())
                        .map_err(|e| Fault::new(Code::InvalidField, e.to_string()))?,
                    channel: native.channel,
                    pay_way: native.pay_way.ok_or_else(|| missing("a way to pay"))?,
                    account: Some(native.account.clone()),
                    payee: native.payee.clone(),
                    appid: None,
                    sub_appid: None,
                    bank: None,
                    amount: native.amount.ok_or_else(|| missing("the amount"))?,
                    expires: native.expires,
                    code: native_code(),
                    terminal: None,
                    area: None,
                    device: Default::default(),
                    product: None,
                    number: Some(number),
                    by_code: None,
                    payer_at: Default::default(),
                    left: false,
                    ends_too_soon: false,
                    combined: native.combined.as_ref().map(group),
                    route: None,
                }))
            }
            Operation::Close => Ok(Command::Close(self.order(merchant, native).await?)),
            Operation::Reverse => Ok(Command::Reverse(self.order(merchant, native).await?)),
            Operation::Refund if native.redirect.is_some() => self.redirect(merchant, native).await,
            Operation::Refund => {
                let order = self.order(merchant, native).await?;
                // Alipay: a full refund may go without a number of its own; then the order's number is its number.
                let number = native
                    .refund
                    .clone()
                    .or_else(|| native.number.clone())
                    .ok_or_else(|| missing("the refund's number"))?;
                let refund_no = RefundNo::new(number.as_str())
                    .map_err(|e| Fault::new(Code::InvalidField, e.to_string()))?;
                if refund_no.is_reserved() {
                    return Err(Fault::new(
                        Code::InvalidField,
                        "The refund's number must not begin with `surplus-`: those are given by the proxy.",
                    ));
                }
                Ok(Command::Refund(Refund {
                    order,
                    refund_no,
                    amount: native.amount.ok_or_else(|| missing("the refund's amount"))?,
                    hold: false,
                    number: Some(number),
                }))
            }
            _ => Err(Fault::of(Code::OperationNotAllowed)),
        }
    }

    /// An abnormal refund that an SDK sends another way: the refund is on record here, under this number.
    async fn redirect(&self, merchant: &MerchantId, native: &Native) -> Result<Command, Fault> {
        let (Some((refund_id, to)), Some(number)) = (&native.redirect, &native.refund) else {
            return Err(passthrough::not_ours());
        };
        let registries = self.0.registries();
        let (_, facts) = registries
            .owner(native.channel, &native.account)
            .filter(|(_, facts)| facts.keys == Keys::Held)
            .ok_or_else(passthrough::not_ours)?;
        let account = self.0.account(facts, native.payee.as_ref(), None);
        let order = redirect::order_of(&self.0, &account, number, refund_id)
            .await
            .ok_or_else(passthrough::not_ours)?;
        let found = by_number(&self.0, merchant, native, &order)
            .await?
            .ok_or_else(passthrough::not_ours)?;
        let refund = found.refunds.iter().find(|refund| refund.number == *number);
        let refund_no = refund.ok_or_else(passthrough::not_ours)?.refund_no.clone();
        let by = OrderRef {
            id: found.id,
            number: Some(order),
            placed: None,
            trade_no: None,
            payee: native.payee.clone(),
        };
        Ok(Command::Redirect(
            by,
            Redirect {
                refund_no,
                to: *to,
                bank: None,
            },
        ))
    }

    /// The other orders of a group that is paid together, each as the first.
    async fn also(
        &self,
        merchant: &MerchantId,
        native: &Native,
        first: &Command,
    ) -> Result<Vec<Command>, Fault> {
        let mut also = Vec::new();
        for sub in native
            .combined
            .iter()
            .flat_map(|group| group.orders.iter().skip(1))
        {
            let order_no = OrderNo::new(sub.number.as_str())
                .map_err(|e| Fault::new(Code::InvalidField, e.to_string()))?;
            also.push(match (first, sub.amount) {
                (Command::Create(create), Some(amount)) => Command::Create(Create {
                    order_no,
                    amount,
                    number: Some(sub.number.clone()),
                    payee: Some(sub.payee.clone()),
                    ..create.clone()
                }),
                _ => {
                    let found = by_number(&self.0, merchant, native, &sub.number).await?;
                    let id = found.map_or_else(|| payment_id(merchant, &order_no), |order| order.id);
                    Command::Close(OrderRef {
                        id,
                        number: Some(sub.number.clone()),
                        placed: None,
                        trade_no: None,
                        payee: Some(sub.payee.clone()),
                    })
                }
            });
        }
        Ok(also)
    }

    /// Our number of the order that a native request means by its number, or by the channel's.
    async fn order(&self, merchant: &MerchantId, native: &Native) -> Result<OrderRef, Fault> {
        let order = find(&self.0, merchant, native).await?;
        if let Some(meant) = trade::of(&self.0, merchant, native, order.as_ref()).await? {
            return Ok(meant);
        }
        let id = match (order, &native.number) {
            (Some(order), _) => order.id,
            (None, Some(number)) => {
                let order_no = OrderNo::new(number.as_str())
                    .map_err(|e| Fault::new(Code::InvalidField, e.to_string()))?;
                payment_id(merchant, &order_no)
            }
            (None, None) => return Err(passthrough::not_ours()),
        };
        Ok(OrderRef {
            id,
            number: native.number.clone(),
            placed: native.placed,
            trade_no: native.trade_no.clone(),
            payee: native.payee.clone(),
        })
    }
}

/// A group as it stands on record with each of its orders.
fn group(orders: &CombinedOrders) -> Combined {
    let part = |sub: &SubOrder| CombinedPart {
        number: sub.number.clone(),
        payee: sub.payee.clone(),
    };
    Combined {
        number: orders.number.clone(),
        parts: orders.orders.iter().map(part).collect(),
    }
}

/// The order that a native request means.
pub(crate) async fn find(
    app: &App,
    merchant: &MerchantId,
    native: &Native,
) -> Result<Option<std::sync::Arc<ledger::Order>>, Fault> {
    match (&native.number, &native.trade_no) {
        (Some(number), _) => by_number(app, merchant, native, number).await,
        (None, Some(trade_no)) => app
            .ledger()
            .order_by_trade_no(merchant, trade_no)
            .await
            .map_err(rebuilding),
        (None, None) => Ok(None),
    }
}

/// The order that carries this number at the account of a native request.
pub(crate) async fn by_number(
    app: &App,
    merchant: &MerchantId,
    native: &Native,
    number: &ChannelNo,
) -> Result<Option<std::sync::Arc<ledger::Order>>, Fault> {
    app.ledger()
        .order_by_number(merchant, native.channel, &native.account, number)
        .await
        .map_err(rebuilding)
}

fn rebuilding(error: ledger::LookupError) -> Fault {
    Fault::of(Code::IndexRebuilding).inside(error)
}

/// Native requests do not state a code's level; the wallets show dynamic codes to payers who type a password.
fn native_code() -> domain::Code {
    domain::Code {
        kind: CodeKind::Dynamic,
        level: CodeLevel::B,
    }
}
