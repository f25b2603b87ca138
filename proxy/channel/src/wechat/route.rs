//! The paths that are carried (channels.md 1.2), matched on the raw octets.

use crate::{guard, native::NativeError};
use domain::{BillKind, Channel, ChannelNo, Operation, PayWay, TradeNo};

/// A call and its form.
pub(crate) struct Route {
    pub(crate) call: Call,
    /// Partner form of the path.
    pub(crate) partner: bool,
}

/// What is called.
pub(crate) enum Call {
    Create(PayWay),
    Query(ChannelNo),
    QueryById(TradeNo),
    Close(ChannelNo),
    /// Several orders that are paid together (合单).
    Combine(PayWay),
    CombineQuery(ChannelNo),
    CombineClose(ChannelNo),
    Refund,
    RefundQuery(ChannelNo),
    /// An abnormal refund shall go another way; its own number at the channel.
    Redirect(TradeNo),
    Certificates,
    /// Where a day's bill lies.
    Bill(BillKind),
    /// The bill itself.
    BillFile,
    /// Undoes an order by payment code.
    Reverse(ChannelNo),
}

/// Where the channel keeps bills: documents have two paths, and the address counts as the channel gave it (channels.md 1.13).
const BILL_FILES: [&str; 2] = ["/v3/billdownload/file", "/v3/bill/downloadurl"];

/// Is this where a bill itself lies?
pub(crate) fn is_bill_file(path: &str) -> bool {
    BILL_FILES.contains(&path)
}

impl Route {
    /// What is asked.
    pub(crate) fn operation(&self) -> Operation {
        match self.call {
            Call::Create(_) | Call::Combine(_) => Operation::Create,
            Call::Query(_) | Call::QueryById(_) | Call::CombineQuery(_) => Operation::Query,
            Call::Close(_) | Call::CombineClose(_) => Operation::Close,
            Call::Refund | Call::Redirect(_) => Operation::Refund,
            Call::RefundQuery(_) => Operation::RefundQuery,
            Call::Certificates => Operation::Certificates,
            Call::Bill(_) | Call::BillFile => Operation::Bill,
            Call::Reverse(_) => Operation::Reverse,
        }
    }
}

/// Finds the route. A path that is not in the table is not carried; it never becomes another one.
pub(crate) fn find(method: &str, path: &str) -> Result<Route, NativeError> {
    found(method, path).map_err(|error| {
        let (breach, name) = guard::call(Channel::Wechat, path);
        error.breaking(breach, Some(name))
    })
}

fn found(method: &str, path: &str) -> Result<Route, NativeError> {
    let call = match path {
        "/v3/certificates" => ("GET", Call::Certificates),
        "/v3/bill/tradebill" => ("GET", Call::Bill(BillKind::Trade)),
        "/v3/bill/fundflowbill" => ("GET", Call::Bill(BillKind::Funds)),
        path if is_bill_file(path) => ("GET", Call::BillFile),
        "/v3/refund/domestic/refunds" => ("POST", Call::Refund),
        _ => match path.strip_prefix("/v3/refund/domestic/refunds/") {
            Some(refund) => match refund.strip_suffix("/apply-abnormal-refund") {
                Some(id) => (
                    "POST",
                    Call::Redirect(TradeNo::new(id).map_err(|_| not_carried())?),
                ),
                None => ("GET", Call::RefundQuery(segment(refund)?)),
            },
            None => match path.strip_prefix("/v3/combine-transactions/") {
                Some(rest) => combined(rest)?,
                None => return transaction(method, path),
            },
        },
    };
    with_method(method, call, false)
}

/// Combined orders have one form for direct and partner mode; who is paid stands in each sub order (channels.md 1.2).
fn combined(rest: &str) -> Result<(&'static str, Call), NativeError> {
    if let Some(way) = way(rest) {
        return Ok(("POST", Call::Combine(way)));
    }
    let rest = rest.strip_prefix("out-trade-no/").ok_or_else(not_carried)?;
    match rest.strip_suffix("/close") {
        Some(number) => Ok(("POST", Call::CombineClose(segment(number)?))),
        None => Ok(("GET", Call::CombineQuery(segment(rest)?))),
    }
}

/// The way to pay by the last word of the path.
fn way(word: &str) -> Option<PayWay> {
    Some(match word {
        "native" => PayWay::Native,
        "jsapi" => PayWay::Jsapi,
        "h5" => PayWay::H5,
        "app" => PayWay::App,
        _ => return None,
    })
}

fn transaction(method: &str, path: &str) -> Result<Route, NativeError> {
    let direct = path
        .strip_prefix("/v3/pay/transactions/")
        .map(|rest| (rest, false));
    let partner = || {
        path.strip_prefix("/v3/pay/partner/transactions/")
            .map(|rest| (rest, true))
    };
    let (rest, partner) = direct.or_else(partner).ok_or_else(not_carried)?;
    let call = match (rest, way(rest)) {
        ("codepay", _) => ("POST", Call::Create(PayWay::Micropay)),
        (_, Some(way)) => ("POST", Call::Create(way)),
        (_, None) => order(rest)?,
    };
    with_method(method, call, partner)
}

fn order(rest: &str) -> Result<(&'static str, Call), NativeError> {
    if let Some(id) = rest.strip_prefix("id/") {
        let id = TradeNo::new(id).map_err(|_| not_carried())?;
        return Ok(("GET", Call::QueryById(id)));
    }
    let rest = rest.strip_prefix("out-trade-no/").ok_or_else(not_carried)?;
    match (rest.strip_suffix("/close"), rest.strip_suffix("/reverse")) {
        (Some(number), _) => Ok(("POST", Call::Close(segment(number)?))),
        (_, Some(number)) => Ok(("POST", Call::Reverse(segment(number)?))),
        _ => Ok(("GET", Call::Query(segment(rest)?))),
    }
}

fn with_method(method: &str, (wanted, call): (&str, Call), partner: bool) -> Result<Route, NativeError> {
    if method == wanted {
        Ok(Route { call, partner })
    } else {
        Err(not_carried())
    }
}

fn not_carried() -> NativeError {
    NativeError::not_allowed("this method and path are not carried")
}

/// A number in the path. Only `|`, `*` and `@` may come escaped; any other escape is a second spelling of a
/// path.
fn segment(text: &str) -> Result<ChannelNo, NativeError> {
    let mut parts = text.split('%');
    let mut number = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (escaped, rest) = part.split_at_checked(2).ok_or_else(not_carried)?;
        number.push(match escaped {
            "7C" | "7c" => '|',
            "2A" | "2a" => '*',
            "40" => '@',
            _ => return Err(not_carried()),
        });
        number.push_str(rest);
    }
    ChannelNo::new(number).map_err(|_| not_carried())
}
