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

/// What is left of a stack, as its stages see it. Each stage is a tower service too, whose future is boxed; within one stack
/// that would be a box for each of fifteen stages and each order. Here a stage's future holds that of the rest in itself,
/// and only a stack's first service and what comes after an [`Around`] has a box.
pub trait Rest<In>: Send + Sync + 'static {
    /// What it gives back.
    type Up: Send + 'static;
    /// Goes down, and comes back.
    fn go(&self, input: In) -> impl Future<Output = Result<Self::Up, Stop>> + Send;
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
pub struct StageService<S, R>(Arc<(Arc<S>, R)>);
/// Service of an [`Around`] over the rest of the stack.
pub struct AroundService<S, R>(Arc<(Arc<S>, R)>);
/// Service of an [`End`].
pub struct EndService<S>(Arc<S>);

impl<S, R> Layer<R> for StageLayer<S> {
    type Service = StageService<S, R>;
    fn layer(&self, rest: R) -> Self::Service {
        StageService(Arc::new((self.0.clone(), rest)))
    }
}

impl<S, R> Layer<R> for AroundLayer<S> {
    type Service = AroundService<S, R>;
    fn layer(&self, rest: R) -> Self::Service {
        AroundService(Arc::new((self.0.clone(), rest)))
    }
}

impl<S, R> Clone for StageService<S, R> {
    fn clone(&self) -> Self {
        StageService(self.0.clone())
    }
}

impl<S, R> Clone for AroundService<S, R> {
    fn clone(&self) -> Self {
        AroundService(self.0.clone())
    }
}

impl<S> Clone for EndService<S> {
    fn clone(&self) -> Self {
        EndService(self.0.clone())
    }
}

impl<In, S, R> Rest<In> for StageService<S, R>
where
    In: Send + 'static,
    S: Stage<In>,
    R: Rest<S::Out>,
{
    type Up = R::Up;

    async fn go(&self, input: In) -> Result<R::Up, Stop> {
        let (stage, rest) = &*self.0;
        let next = stage.run(input).await?;
        rest.go(next).await
    }
}

impl<In, S, R> Rest<In> for AroundService<S, R>
where
    In: Send + 'static,
    S: Around<In>,
    R: Rest<S::Down, Up = S::Up>,
{
    type Up = S::Out;

    async fn go(&self, input: In) -> Result<S::Out, Stop> {
        let rest = self.0.clone();
        let next = Next(Box::new(move |down| {
            Box::pin(async move { rest.1.go(down).await })
        }));
        self.0.0.run(input, next).await
    }
}

impl<In, S> Rest<In> for EndService<S>
where
    In: Send + 'static,
    S: End<In>,
{
    type Up = S::Out;

    async fn go(&self, input: In) -> Result<S::Out, Stop> {
        self.0.run(input).await
    }
}

impl<In, S, R> Service<In> for StageService<S, R>
where
    In: Send + 'static,
    S: Stage<In>,
    R: Rest<S::Out>,
{
    type Response = R::Up;
    type Error = Stop;
    type Future = Answering<R::Up>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        Poll::Ready(Ok(())) // every service of a stack is always ready: overload is refused by a stage, never queued
    }

    fn call(&mut self, input: In) -> Self::Future {
        let all = self.clone();
        Box::pin(async move { all.go(input).await })
    }
}

impl<In, S, R> Service<In> for AroundService<S, R>
where
    In: Send + 'static,
    S: Around<In>,
    R: Rest<S::Down, Up = S::Up>,
{
    type Response = S::Out;
    type Error = Stop;
    type Future = Answering<S::Out>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, input: In) -> Self::Future {
        let all = self.clone();
        Box::pin(async move { all.go(input).await })
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
        let all = self.clone();
        Box::pin(async move { all.go(input).await })
    }
}
