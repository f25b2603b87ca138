//! One table of resources. A path's words are matched as they are written and never normalised; the numbers in it are
//! decoded, once, after it was cut at its slashes.

use super::escapes::decoded;
use crate::fault::{Code, Fault};
use domain::{Breach, ChannelNo, CodeId, Day, PaymentId, RefundNo, UNLISTED};
use http::Method;

/// A resource of `/v1` and what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// `POST /v1/payments`
    Create,
    /// `GET /v1/payments?order_no=`
    Find,
    /// `POST /v1/payments/combined`
    CreateGroup,
    /// `GET /v1/payments/combined/{group_no}`
    Group(ChannelNo),
    /// `POST /v1/payments/combined/{group_no}/close`
    CloseGroup(ChannelNo),
    /// `GET /v1/payments/{id}`
    Order(PaymentId),
    /// `POST /v1/payments/{id}/close`
    Close(PaymentId),
    /// `POST /v1/payments/{id}/reverse`
    Reverse(PaymentId),
    /// `POST /v1/payments/{id}/refunds`
    Refund(PaymentId),
    /// `GET /v1/payments/{id}/refunds/{refund_no}`
    RefundOf(PaymentId, RefundNo),
    /// `POST /v1/payments/{id}/refunds/{refund_no}/release`
    Release(PaymentId, RefundNo),
    /// `POST /v1/payments/{id}/refunds/{refund_no}/cancel`
    Cancel(PaymentId, RefundNo),
    /// `POST /v1/payments/{id}/refunds/{refund_no}/redirect`
    Redirect(PaymentId, RefundNo),
    /// `GET /v1/payments/{id}/receipt`
    Receipt(PaymentId),
    /// `GET /v1/payments/{id}/purge`
    Purge(PaymentId),
    /// `GET /v1/payments/{id}/notifications`
    Notifications(PaymentId),
    /// `POST /v1/payments/{id}/notifications/{seq}/resend`
    Resend(PaymentId, u64),
    /// `POST /v1/codes`
    MakeCode,
    /// `GET /v1/codes?after=&limit=`
    Codes,
    /// `GET /v1/codes/{id}`
    CodeOf(CodeId),
    /// `GET /v1/codes/{id}/png`
    CodePng(CodeId),
    /// `GET /v1/codes/{id}/svg`
    CodeSvg(CodeId),
    /// `POST /v1/codes/{id}/revoke`
    RevokeCode(CodeId),
    /// `GET /v1/statistics?from=&to=&by=&format=`
    Statistics,
    /// `GET /v1/reconciliations/{date}`
    Reconciliation(Day),
    /// `GET /v1/reconciliations/{date}/statement?format=`
    Statement(Day),
}

/// Finds the resource, or says whether the path or the method is wrong.
pub fn resource(method: &Method, path: &str) -> Result<Resource, Fault> {
    let parts: Vec<&str> = path
        .strip_prefix("/v1/")
        .map(|p| p.split('/').collect())
        .unwrap_or_default();
    let id = |text: &str| {
        decoded(text)?
            .parse::<PaymentId>()
            .map_err(|_| Fault::of(Code::NotFound))
    };
    let group = |text: &str| ChannelNo::new(decoded(text)?).map_err(|_| Fault::of(Code::NotFound));
    let no = |text: &str| RefundNo::new(decoded(text)?).map_err(|_| Fault::of(Code::NotFound));
    let code = |text: &str| CodeId::new(text).map_err(|_| Fault::of(Code::NotFound));
    let day = |text: &str| {
        Day::parse(text)
            .ok_or_else(|| Fault::new(Code::InvalidField, "The day must be a date such as 2026-11-23."))
    };
    // The methods as the `Allow` header lists them.
    let (taken, found) = match parts[..] {
        ["payments"] if method == Method::POST => ("GET, POST", Resource::Create),
        ["payments"] => ("GET, POST", Resource::Find),
        ["payments", "combined"] => ("POST", Resource::CreateGroup),
        ["payments", "combined", g] => ("GET", Resource::Group(group(g)?)),
        ["payments", "combined", g, "close"] => ("POST", Resource::CloseGroup(group(g)?)),
        ["payments", p] => ("GET", Resource::Order(id(p)?)),
        ["payments", p, "close"] => ("POST", Resource::Close(id(p)?)),
        ["payments", p, "reverse"] => ("POST", Resource::Reverse(id(p)?)),
        ["payments", p, "refunds"] => ("POST", Resource::Refund(id(p)?)),
        ["payments", p, "refunds", r] => ("GET", Resource::RefundOf(id(p)?, no(r)?)),
        ["payments", p, "refunds", r, "release"] => ("POST", Resource::Release(id(p)?, no(r)?)),
        ["payments", p, "refunds", r, "redirect"] => ("POST", Resource::Redirect(id(p)?, no(r)?)),
        ["payments", p, "refunds", r, "cancel"] => ("POST", Resource::Cancel(id(p)?, no(r)?)),
        ["payments", p, "receipt"] => ("GET", Resource::Receipt(id(p)?)),
        ["payments", p, "purge"] => ("GET", Resource::Purge(id(p)?)),
        ["payments", p, "notifications"] => ("GET", Resource::Notifications(id(p)?)),
        ["statistics"] => ("GET", Resource::Statistics),
        ["payments", p, "notifications", seq, "resend"] => {
            let seq = seq.parse().map_err(|_| Fault::of(Code::NotFound))?;
            ("POST", Resource::Resend(id(p)?, seq))
        }
        ["codes"] if method == Method::POST => ("GET, POST", Resource::MakeCode),
        ["codes"] => ("GET, POST", Resource::Codes),
        ["codes", c] => ("GET", Resource::CodeOf(code(c)?)),
        ["codes", c, "png"] => ("GET", Resource::CodePng(code(c)?)),
        ["codes", c, "svg"] => ("GET", Resource::CodeSvg(code(c)?)),
        ["codes", c, "revoke"] => ("POST", Resource::RevokeCode(code(c)?)),
        ["reconciliations", date, "statement"] => ("GET", Resource::Statement(day(date)?)),
        ["reconciliations", date] => ("GET", Resource::Reconciliation(day(date)?)),
        _ => {
            return Err(Fault::new(
                Code::NotFound,
                "There is no such path; the API stands at /openapi.json.",
            )
            .breaks(Breach::Operation, Some(UNLISTED)));
        }
    };
    if taken.split(", ").any(|one| method.as_str() == one) {
        Ok(found)
    } else {
        let said = format!("This resource takes {}.", taken.replace(", ", " and "));
        let mut fault = Fault::new(Code::MethodNotAllowed, said).breaks(Breach::Operation, None);
        fault.allow = Some(taken);
        Err(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_as_written_or_not_at_all() {
        let id = "00112233445566778899aabbccddeeff";
        let get = |path: &str| resource(&Method::GET, path).map_err(|f| f.code);
        assert!(matches!(
            get(&format!("/v1/payments/{id}")),
            Ok(Resource::Order(_))
        ));
        for path in [
            "/v1/payments/",
            "/v1//payments",
            "/v1/payments/%30",
            "/v1/payments/..",
            "/v2/payments",
            "/v1/payments/00112233445566778899AABBCCDDEEFF",
        ] {
            assert_eq!(get(path), Err(Code::NotFound), "{path}");
        }
        let escaped = get(&format!("/v1/payments/{id}/refunds/r%7C1%40%2A"));
        assert!(matches!(escaped, Ok(Resource::RefundOf(_, no)) if no.as_str() == "r|1@*"));
        for (path, code) in [
            ("refunds/a%2Fb", Code::NotFound),
            ("refunds/a%252A", Code::NotFound),
            ("refunds/a%4", Code::MalformedRequest),
            ("%72efunds/a", Code::NotFound),
        ] {
            assert_eq!(get(&format!("/v1/payments/{id}/{path}")), Err(code), "{path}");
        }
        assert!(
            matches!(get("/v1/payments/combined/g%7C1234"), Ok(Resource::Group(no)) if no.as_str() == "g|1234")
        );
        assert_eq!(get("/v1/payments/combined"), Err(Code::MethodNotAllowed));
        for path in ["/v1/payments", "/v1/codes"] {
            let fault = resource(&Method::PUT, path).expect_err("it takes two others");
            assert_eq!(fault.allow, Some("GET, POST"), "{path}: all that it takes");
            for method in [Method::GET, Method::POST] {
                assert!(resource(&method, path).is_ok(), "{method} {path}");
            }
        }
        assert!(
            matches!(get("/v1/reconciliations/2026-11-23"), Ok(Resource::Reconciliation(day)) if day.to_string() == "2026-11-23")
        );
        assert_eq!(get("/v1/reconciliations/2026-02-30"), Err(Code::InvalidField));
        assert_eq!(
            get(&format!("/v1/payments/{id}/close")),
            Err(Code::MethodNotAllowed)
        );
    }
}
