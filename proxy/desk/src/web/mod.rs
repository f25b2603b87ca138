//! The officers' pages and the same as JSON, over one set of acts.

mod answers;
mod api;
mod api_books;
mod api_cases;
mod asking;
mod books_page;
mod case_page;
mod exports_page;
mod measures_page;
mod queue_page;
mod refusals_page;
mod sign_in;
mod unproven;
mod view;

pub(crate) use asking::Source;

use crate::{cases::Cases, export::Exporter, sessions::Sessions, trades::Trades, users::Users};
use arc_swap::ArcSwap;
use axum::{
    Router, middleware,
    routing::{get, post},
};
use policy::registry::Registries;
use std::sync::Arc;

/// Everything that pages show or change.
pub struct Desk {
    /// The cases.
    pub cases: Arc<Cases>,
    /// The trades journal.
    pub trades: Arc<Trades>,
    /// Merchants.
    pub registries: Arc<ArcSwap<Registries>>,
    /// People.
    pub users: ArcSwap<Users>,
    /// Who is signed in.
    pub sessions: Sessions,
    /// Packages.
    pub exporter: Arc<Exporter>,
    /// Passwords are hashed by so many at once: 19 MiB each.
    pub hashing: tokio::sync::Semaphore,
}

/// All routes.
pub fn router(desk: Arc<Desk>) -> Router {
    let pages = Router::new()
        .route("/", get(queue_page::show))
        .route("/sign-in", get(sign_in::form).post(sign_in::submit))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/flags/{acquirer}/{number}", get(case_page::show))
        .route("/flags/{acquirer}/{number}/{act}", post(case_page::act))
        .route("/measures", get(measures_page::show).post(measures_page::propose))
        .route("/measures/{id}/{act}", post(measures_page::act))
        .route("/books", get(books_page::show))
        .route("/books/{index}/{act}", post(books_page::act))
        .route("/refusals", get(refusals_page::show))
        .route("/exports", get(exports_page::show).post(exports_page::make))
        .route("/desk.css", get(answers::css))
        .fallback(answers::not_found);
    let api = Router::new()
        .route("/api/sign-in", post(api::sign_in))
        .route("/api/sign-out", post(api::sign_out))
        .route("/api/status", get(api::status))
        .route("/api/flags", get(api_cases::flags))
        .route("/api/flags/{acquirer}/{number}", get(api_cases::flag))
        .route("/api/flags/{acquirer}/{number}/{act}", post(api_cases::flag_act))
        .route(
            "/api/measures",
            get(api_cases::measures).post(api_cases::propose_measure),
        )
        .route("/api/measures/{id}/{act}", post(api_cases::measure_act))
        .route("/api/differences", get(api_books::differences))
        .route("/api/differences/{index}/{act}", post(api_books::act))
        .route("/api/unproven", get(unproven::list))
        .route("/api/refusals", get(refusals_page::list))
        .route("/api/unacknowledged", get(api::unacknowledged))
        .route("/api/exports", get(api::exports).post(api::make_exports))
        .route("/api/{*rest}", get(api::not_found).post(api::not_found));
    pages
        .merge(api)
        .layer(middleware::from_fn(asking::same_site))
        .layer(middleware::from_fn(answers::headers))
        .with_state(desk)
}
