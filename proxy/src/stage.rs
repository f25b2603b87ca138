//! How a stage becomes a tower service: two traits and their two adapters, the only `poll_ready` of the product.
//!
//! A [`Stage`] takes a state and yields the next. An [`Around`] also acts on the way back; it gets the rest of the
//! stack as a value that using consumes, so no stage can send twice. States are made by their own stage only: two
//! stages misordered do not compile.

use crate::fault::Stop;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower::{Layer, Service};

/// What every stack answers with.
pub type Response = http::Response<http_body_util::Full<bytes::Bytes>>;

/// A boxed answer on its way.
pub type Answering<R> = Pin<Box<dyn Future<Output = Result<R, Stop>> + Send>>;

/// One step down the stack.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not take `{In}`: a stage is out of order in the stack",
    label = "this stage cannot follow the one before it",
    note = "the order of stages is the order of states: Received, Authenticated, Limited, Parsed, Sealed, Claimed, Routed, Admitted, Recorded"
)]
pub trait Stage<In>: Send + Sync + 'static {
    /// The next state.
    type Out: Send + 'static;
    /// Earns the next state, or stops here with an answer.
    fn run(&self, input: In) -> impl Future<Output = Result<Self::Out, Stop>> + Send;
}

/// A step that also acts on the way back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not take `{In}`: a stage is out of order in the stack",
    label = "this stage cannot follow the one before it",
    note = "the order of stages is the order of states: Received, Authenticated, Limited, Parsed, Sealed, Claimed, Routed, Admitted, Recorded"
)]
pub trait Around<In>: Send + Sync + 'static {
    /// What the rest of the stack takes.
    type Down: Send + 'static;
    /// What the rest of the stack gives back.
    type Up: Send + 'static;
    /// What this stage gives back.
    type Out: Send + 'static;
    /// Goes down, and comes back.
    fn run(
        &self,
        input: In,
        next: Next<Self::Down, Self::Up>,
    ) -> impl Future<Output = Result<Self::Out, Stop>> + Send;
}

/// The rest of the stack, to be used once.
pub struct Next<Down, Up>(Box<dyn FnOnce(Down) -> Answering<Up> + Send>);

impl<Down, Up> Next<Down, Up> {
    /// Goes down.
    pub fn run(self, input: Down) -> Answering<Up> {
        (self.0)(input)
    }
}

/// The last service of a stack: it answers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not take `{In}`: the end of the stack is reached too early",
    label = "this end cannot follow the stage before it"
)]
pub trait End<In>: Send + Sync + 'static {
    /// The answer.
    type Out: Send + 'static;
    /// Answers.
    fn run(&self, input: In) -> impl Future<Output = Result<Self::Out, Stop>> + Send;
}

/// Puts a stage into a `tower::ServiceBuilder`.
pub fn stage<S>(stage: S) -> StageLayer<S> {
    StageLayer(Arc::new(stage))
}

/// Puts a stage that acts both ways into a `tower::ServiceBuilder`.
pub fn around<S>(stage: S) -> AroundLayer<S> {
    AroundLayer(Arc::new(stage))
}

/// Makes the end of a stack.
pub fn end<S>(end: S) -> EndService<S> {
    EndService(Arc::new(end))
}

/// Layer of a [`Stage`].
pub struct StageLayer<S>(Arc<S>);
/// Layer of an [`Around`].
pub struct AroundLayer<S>(Arc<S>);
/// Service of a [`Stage`] over the rest of the stack, shared: a clone is one count, not one per stage below.
pub struct StageService<S, Rest>(Arc<(Arc<S>, Rest)>);
/// Service of an [`Around`] over the rest of the stack.
pub struct AroundService<S, Rest>(Arc<(Arc<S>, Rest)>);
/// Service of an [`End`].
pub struct EndService<S>(Arc<S>);

impl<S, Rest> Layer<Rest> for StageLayer<S> {
    type Service = StageService<S, Rest>;
    fn layer(&self, rest: Rest) -> Self::Service {
        StageService(Arc::new((self.0.clone(), rest)))
    }
}

impl<S, Rest> Layer<Rest> for AroundLayer<S> {
    type Service = AroundService<S, Rest>;
    fn layer(&self, rest: Rest) -> Self::Service {
        AroundService(Arc::new((self.0.clone(), rest)))
    }
}

impl<S, Rest> Clone for StageService<S, Rest> {
    fn clone(&self) -> Self {
        StageService(self.0.clone())
    }
}

impl<S, Rest> Clone for AroundService<S, Rest> {
    fn clone(&self) -> Self {
        AroundService(self.0.clone())
    }
}

impl<S> Clone for EndService<S> {
    fn clone(&self) -> Self {
        EndService(self.0.clone())
    }
}

impl<In, S, Rest> Service<In> for StageService<S, Rest>
where
    In: Send + 'static,
    S: Stage<In>,
    Rest: Service<S::Out, Error = Stop> + Clone + Send + Sync + 'static,
    Rest::Response: Send + 'static,
    Rest::Future: Send + 'static,
{
    type Response = Rest::Response;
    type Error = Stop;
    type Future = Answering<Rest::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        Poll::Ready(Ok(())) // every service of a stack is always ready: overload is refused by a stage, never queued
    }

    fn call(&mut self, input: In) -> Self::Future {
        let shared = self.0.clone();
        Box::pin(async move {
            let (stage, rest) = &*shared;
            let next = stage.run(input).await?;
            rest.clone().call(next).await
        })
    }
}

impl<In, S, Rest> Service<In> for AroundService<S, Rest>
where
    In: Send + 'static,
    S: Around<In>,
    Rest: Service<S::Down, Response = S::Up, Error = Stop, Future = Answering<S::Up>>
        + Clone
        + Send
        + Sync
        + 'static,
{
    type Response = S::Out;
    type Error = Stop;
    type Future = Answering<S::Out>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, input: In) -> Self::Future {
        let shared = self.0.clone();
        Box::pin(async move {
            let (stage, rest) = &*shared;
            let mut rest = rest.clone();
            let next = Next(Box::new(move |down| rest.call(down)));
            stage.run(input, next).await
        })
    }
}

impl<In, S> Service<In> for EndService<S>
where
    In: Send + 'static,
    S: End<In>,
{
    type Response = S::Out;
    type Error = Stop;
    type Future = Answering<S::Out>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, input: In) -> Self::Future {
        let end = self.0.clone();
        Box::pin(async move { end.run(input).await })
    }
}
