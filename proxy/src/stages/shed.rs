//! Sheds by source and by failures per source, never by claimed merchant alone: a stranger cannot lock a merchant out.

use crate::{
    accept::Received,
    app::App,
    fault::{Code, Fault, Stop},
    limits::source,
    stage::{Around, Next, Response},
};

/// Per source address.
pub struct Shed(pub App);

impl Around<Received> for Shed {
    type Down = Received;
    type Up = Response;
    type Out = Response;

    async fn run(&self, received: Received, next: Next<Received, Response>) -> Result<Response, Stop> {
        let source = source(received.peer.ip());
        let room = self
            .0
            .source_rate(source)
            .and_then(|()| self.0.failures_left(source));
        if let Err(wait) = room {
            return Err(Fault::of(Code::TooManyRequests).retry(wait).into());
        }
        let answer = next.run(received).await;
        if matches!(&answer, Err(Stop::Fault(fault)) if fault.code.row().status == 401) {
            self.0.count_failure(source);
        }
        answer
    }
}
