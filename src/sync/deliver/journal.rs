//! Batches on their way into the ledger: those that come together are made durable together, so that many in flight
//! cost little more than one.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use outflow_connectors::rehearsal::point;
use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{BatchId, Intent, Ledger, Settled};

/// Writes intents and settlements from a thread of its own; ends when it is dropped, after all it was given.
pub struct Journal {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

enum Job {
    Begin(Intent, oneshot::Sender<Result<BatchId>>),
    Settle((BatchId, Vec<Settled>), oneshot::Sender<Result<()>>),
}

impl Journal {
    /// # Errors
    /// When the system gives no thread.
    pub fn open(ledger: &Ledger) -> Result<Self> {
        let (jobs, work) = channel();
        let ledger = ledger.clone();
        let thread = Builder::new().name("outflow-journal".into()).spawn(move || keep(&ledger, &work));
        let thread = thread.map_err(|error| no_thread(&error))?;
        Ok(Journal { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Stores a batch before it leaves; durable on return, and every key of it dirty.
    ///
    /// # Errors
    /// When it is not durable: nothing may be sent.
    pub async fn begin(&self, intent: Intent) -> Result<BatchId> {
        let (done, answer) = oneshot::channel();
        self.give(Job::Begin(intent, done));
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Takes in what became of a batch; durable on return.
    ///
    /// # Errors
    /// When it is not: its keys stay dirty.
    pub async fn settle(&self, batch: BatchId, settled: Vec<Settled>) -> Result<()> {
        let (done, answer) = oneshot::channel();
        self.give(Job::Settle((batch, settled), done));
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    fn give(&self, job: Job) {
        // Where the thread is gone, the job's own channel says so.
        let _ = self.jobs.as_ref().map(|jobs| jobs.send(job));
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub fn no_thread(error: &io::Error) -> Error {
    Error::new("OF-INT-001", ErrorKind::Internal, "the system gives no further thread").because(error)
}

fn gone() -> Error {
    Error::new("OF-INT-001", ErrorKind::Internal, "the journal ended early; this is a defect of outflow")
}

/// Jobs taken together at most.
const TOGETHER: usize = 256;

fn keep(ledger: &Ledger, work: &Receiver<Job>) {
    while let Ok(first) = work.recv() {
        let (mut intents, mut begun) = (Vec::new(), Vec::new());
        let (mut batches, mut settled) = (Vec::new(), Vec::new());
        for job in std::iter::once(first).chain(work.try_iter().take(TOGETHER)) {
            match job {
                Job::Begin(intent, done) => {
                    intents.push(intent);
                    begun.push(done);
                }
                Job::Settle(batch, done) => {
                    batches.push(batch);
                    settled.push(done);
                }
            }
        }
        if !batches.is_empty() {
            let result = ledger.settle_all(batches);
            settled.into_iter().for_each(|done| drop(done.send(result.clone())));
        }
        point("journal.between");
        if !intents.is_empty() {
            match ledger.begin_all(intents) {
                Ok(ids) => begun.into_iter().zip(ids).for_each(|(done, id)| drop(done.send(Ok(id)))),
                Err(error) => begun.into_iter().for_each(|done| drop(done.send(Err(error.clone())))),
            }
        }
    }
}
