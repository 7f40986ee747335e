//! Reading that waits, on a thread of its own: a short channel hands batches over, and dropping the call stops the thread.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, spawn_blocking};

use crate::contract::{ConnectorError, Kind, Prepared, Preparer, RowBatch, RowSink};

/// Between two interrupts of what goes on.
const AGAIN: Duration = Duration::from_millis(50);

/// Where a reading thread puts batches.
#[derive(Clone)]
pub struct Outlet {
    batches: mpsc::Sender<(RowBatch, Option<Prepared>)>,
    preparer: Option<Arc<dyn Preparer>>,
}

/// Nobody wants more rows: the call has ended.
#[derive(Debug)]
pub struct Gone;

impl Outlet {
    /// Waits until there is room.
    ///
    /// # Errors
    /// [`Gone`] where there will be none.
    pub fn put(&self, batch: RowBatch) -> Result<(), Gone> {
        self.put_prepared(batch, None)
    }

    /// As [`Self::put`], with what [`Self::prepare`] made of the batch.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn put_prepared(&self, batch: RowBatch, prepared: Option<Prepared>) -> Result<(), Gone> {
        self.batches.blocking_send((batch, prepared)).map_err(|_| Gone)
    }

    /// Does what the sink would have done with a batch; for one of several threads, or nothing is gained.
    pub fn prepare(&self, batch: &RowBatch) -> Option<Prepared> {
        self.preparer.as_ref().and_then(|preparer| preparer.prepare(batch))
    }

    /// Whether the call has ended.
    pub fn is_closed(&self) -> bool {
        self.batches.is_closed()
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("batches", &self.batches).finish_non_exhaustive()
    }
}

/// Does work that waits, on a thread of its own; `what` it reads is for messages.
///
/// # Errors
/// Those of the work, and [`Kind::Internal`] where its thread ends early.
pub async fn apart<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> Result<T, ConnectorError> + Send + 'static,
) -> Result<T, ConnectorError> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(died(what, error)))
}

fn died(what: &str, error: JoinError) -> ConnectorError {
    ConnectorError::new(Kind::Internal, format!("the thread that reads {what} ended early")).source(error)
}

/// Fills a sink from a thread of its own, which may be so many batches `ahead`; what the thread says at its end, and the rows
/// that arrived.
///
/// # Errors
/// Those of the sink, which end the thread at its next batch, and those of [`apart`].
pub async fn filled<T: Send + 'static>(
    what: &str,
    ahead: usize,
    sink: &mut dyn RowSink,
    read: impl FnOnce(Outlet) -> Result<T, ConnectorError> + Send + 'static,
) -> Result<(T, u64), ConnectorError> {
    let (sender, mut batches) = mpsc::channel(ahead);
    let outlet = Outlet { batches: sender, preparer: sink.preparer() };
    let reading = spawn_blocking(move || read(outlet));
    let mut rows = 0;
    while let Some((batch, prepared)) = batches.recv().await {
        rows += batch.len() as u64;
        match prepared {
            Some(prepared) => sink.accept_prepared(batch, prepared).await?,
            None => sink.accept(batch).await?,
        }
    }
    let said = reading.await.unwrap_or_else(|error| Err(died(what, error)))?;
    Ok((said, rows))
}

/// Interrupts a thread's work when the call ends, however it ends.
pub struct Stop {
    finished: Arc<AtomicBool>,
    interrupt: Arc<dyn Fn() + Send + Sync>,
}

/// Held by the thread as long as it works, so that even a panic says that it is done.
#[derive(Debug)]
pub struct Working(Arc<AtomicBool>);

impl Stop {
    /// Of work that `interrupt` ends.
    pub fn new(interrupt: impl Fn() + Send + Sync + 'static) -> Self {
        Stop { finished: Arc::default(), interrupt: Arc::new(interrupt) }
    }

    /// For the thread.
    pub fn working(&self) -> Working {
        Working(self.finished.clone())
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").field("finished", &self.finished).finish_non_exhaustive()
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        if self.finished.load(Ordering::SeqCst) {
            return;
        }
        (self.interrupt)();
        // A query that is only about to begin does not notice an interrupt, so it is repeated until the thread is done. Not on
        // the runtime: where that ends, it waits for the thread, and runs nothing else.
        let (finished, interrupt) = (self.finished.clone(), self.interrupt.clone());
        let again = move || {
            while !finished.load(Ordering::SeqCst) {
                interrupt();
                thread::park_timeout(AGAIN);
            }
        };
        if let Err(error) = thread::Builder::new().name("outflow-interrupt".to_owned()).spawn(again) {
            tracing::warn!(%error, "a query may go on, because nothing can interrupt it again");
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test]
    async fn a_thread_that_ends_early_is_an_error_of_the_call() {
        let error = apart::<()>("things", || panic!("by a test")).await.unwrap_err();
        assert_eq!(
            (error.kind, &*error.message),
            (Kind::Internal, "the thread that reads things ended early")
        );
        let refused = apart::<()>("things", || Err(ConnectorError::new(Kind::Config, "no")));
        assert_eq!(refused.await.unwrap_err().kind, Kind::Config);
    }

    /// Counts the interrupts.
    fn counted() -> (Stop, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let interrupt = move || {
            count.fetch_add(1, Ordering::SeqCst);
        };
        (Stop::new(interrupt), asked)
    }

    /// The work ends at the third interrupt alone: the first two came before it had begun, say.
    #[tokio::test]
    async fn work_is_interrupted_until_it_has_ended() {
        let (stop, asked) = counted();
        let (working, count) = (stop.working(), asked.clone());
        let work = apart("things", move || {
            let _working = working;
            while count.load(Ordering::SeqCst) < 3 {
                thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        });
        drop(stop);
        work.await.unwrap();
        assert!(asked.load(Ordering::SeqCst) >= 3);
    }

    /// As above, where there is no runtime any more.
    #[test]
    fn work_is_interrupted_without_a_runtime() {
        let (stop, asked) = counted();
        let (working, count) = (stop.working(), asked.clone());
        let work = thread::spawn(move || {
            let _working = working;
            let begun = std::time::Instant::now();
            while count.load(Ordering::SeqCst) < 3 && begun.elapsed() < Duration::from_secs(60) {
                thread::sleep(Duration::from_millis(1));
            }
        });
        drop(stop);
        work.join().unwrap();
        assert!(asked.load(Ordering::SeqCst) >= 3);
    }

    #[tokio::test]
    async fn work_that_has_ended_is_not_interrupted() {
        let (stop, asked) = counted();
        drop(stop.working());
        drop(stop);
        assert_eq!(asked.load(Ordering::SeqCst), 0);
    }
}
