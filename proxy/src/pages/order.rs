//! The page of one order: calls the wallet up, shows a code to scan, and in the end what the journal says.

use super::{Pages, Scanned, view::View};
use crate::{
    api::render,
    codes::print,
    fault::{Code, Fault, Stop},
    stage::Response,
    sweep,
};
use domain::*;
use http::{HeaderValue, StatusCode, header};
use ledger::{Order, OrderState};
use serde_json::json;
use std::sync::Arc;

impl Pages {
    /// An order that this code opened. Whoever has the code's number and the order's may see it; another order is none.
    async fn opened(&self, scanned: &Scanned, id: &PaymentId) -> Result<Arc<Order>, Fault> {
        let order = self.app.order(id).await?;
        let own = |order: &Arc<Order>| {
            order.merchant == scanned.merchant.id && order.by_code.as_ref() == Some(&scanned.code.id)
        };
        order.filter(own).ok_or_else(|| Fault::of(Code::NotFound))
    }

    /// `GET /q/{code}/o/{payment}`.
    pub(super) async fn order(
        &self,
        view: &View<'_>,
        scanned: &Scanned,
        id: &PaymentId,
    ) -> Result<Response, Stop> {
        let order = self.opened(scanned, id).await?;
        let call_up = match order.state() {
            OrderState::AwaitingPayment if order.latest().pay_way == PayWay::Jsapi => {
                render::call_up(&self.app, order.latest()).await
            }
            _ => None,
        };
        Ok(view.order(scanned, &order, call_up))
    }

    /// `GET /q/{code}/o/{payment}/qr`: what is to be scanned with a phone.
    pub(super) async fn qr(&self, scanned: &Scanned, id: &PaymentId) -> Result<Response, Stop> {
        let order = self.opened(scanned, id).await?;
        let Some((Reach::Code(text), _)) = order
            .latest()
            .reach
            .as_ref()
            .filter(|_| order.state() == OrderState::AwaitingPayment)
        else {
            return Err(Fault::of(Code::NotFound).into());
        };
        let drawn = print::svg_code(text).map_err(|e| Fault::of(Code::Internal).inside(e))?;
        let mut response = render::text_response(StatusCode::OK, "image/svg+xml", drawn);
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// `GET /q/{code}/o/{payment}/state`: what the journal says, for a page that waits. While it says nothing new the channel
    /// itself is asked, once a second at most: that a browser came back proves nothing.
    pub(super) async fn state(&self, scanned: &Scanned, id: &PaymentId) -> Result<Response, Stop> {
        let mut order = self.opened(scanned, id).await?;
        if order.state() == OrderState::AwaitingPayment && self.asking.take(id).is_ok() {
            let position = order.attempts.len() as u16;
            order = sweep::ask_for_payment(&self.app, order, position).await;
        }
        let mut response = render::json_response(
            StatusCode::OK,
            &json!({ "state": render::state_name(order.state()) }),
        );
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}
