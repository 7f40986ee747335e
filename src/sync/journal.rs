//! Batches on their way into the ledger: those that come together are made durable together, so that many in flight
//! cost little more than one.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

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
        let thread = thread.map_err(|error| {
            Error::new("OF-INT-001", ErrorKind::Internal, "the system gives no further thread")
                .because(&error)
        })?;
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

fn gone() -> Error {
    Error::new("OF-INT-001", ErrorKind::Internal, "the journal ended early; this is a defect of outflow")
}

/// Jobs taken together at most.
const TOGETHER: usize = 256;

/// How long an answer waits for others while batches are under way: rows of the ledger's tables that lie close together
/// are then written once.
const GATHER: Duration = Duration::from_millis(if cfg!(test) { 60_000 } else { 100 });

/// Settled rows that wait for others at most.
const GATHERED: usize = 5_000;

fn keep(ledger: &Ledger, work: &Receiver<Job>) {
    let mut answered = Answered::default();
    let mut under_way = 0;
    while let Some(first) = answered.next(work) {
        let (mut intents, mut begun) = (Vec::new(), Vec::new());
        for job in first.into_iter().chain(work.try_iter().take(TOGETHER)) {
            match job {
                Job::Begin(intent, done) => {
                    intents.push(intent);
                    begun.push(done);
                }
                Job::Settle(batch, done) => {
                    under_way -= 1;
                    answered.push(batch, done);
                }
            }
        }
        if answered.is_due() || under_way + intents.len() == 0 {
            answered.settle(ledger);
        }
        point("journal.between");
        if !intents.is_empty() {
            under_way += intents.len();
            match ledger.begin_all(intents) {
                Ok(ids) => begun.into_iter().zip(ids).for_each(|(done, id)| drop(done.send(Ok(id)))),
                Err(error) => begun.into_iter().for_each(|done| drop(done.send(Err(error.clone())))),
            }
        }
    }
    answered.settle(ledger);
}

/// What batches came to, until it is stored.
#[derive(Default)]
struct Answered {
    batches: Vec<(BatchId, Vec<Settled>)>,
    done: Vec<oneshot::Sender<Result<()>>>,
    rows: usize,
    since: Option<Instant>,
}

impl Answered {
    /// The next job; `Some(None)` when what waits has waited long enough, `None` after the last job.
    fn next(&self, work: &Receiver<Job>) -> Option<Option<Job>> {
        let Some(since) = self.since else { return work.recv().ok().map(Some) };
        match work.recv_timeout(GATHER.saturating_sub(since.elapsed())) {
            Ok(job) => Some(Some(job)),
            Err(RecvTimeoutError::Timeout) => Some(None),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    fn push(&mut self, batch: (BatchId, Vec<Settled>), done: oneshot::Sender<Result<()>>) {
        self.rows += batch.1.len();
        self.batches.push(batch);
        self.done.push(done);
        self.since.get_or_insert_with(Instant::now);
    }

    fn is_due(&self) -> bool {
        self.rows >= GATHERED || self.since.is_some_and(|since| since.elapsed() >= GATHER)
    }

    fn settle(&mut self, ledger: &Ledger) {
        let Answered { batches, done, .. } = std::mem::take(self);
        if !batches.is_empty() {
            let result = ledger.settle_all(batches);
            done.into_iter().for_each(|done| drop(done.send(result.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use outflow_connectors::contract::Verb;

    use super::*;
    use crate::ledger::{IntentEntry, KeyHash, RecordHash, Settlement, State};

    fn intent(n: u8) -> Intent {
        let mut intent = Intent::new("r", Verb::Upsert);
        let (key, record) = (KeyHash([n; 16]), RecordHash([n; 16]));
        let entry = IntentEntry {
            key,
            record,
            key_text: "{}",
            destination_hash: 0,
            destination_key: "[]",
            remote_id: None,
        };
        intent.push(&entry);
        intent
    }

    fn delivered(n: u8) -> Vec<Settled> {
        let result = Settlement::Delivered { record: RecordHash([n; 16]), detail: None };
        vec![Settled { key: KeyHash([n; 16]), result }]
    }

    #[tokio::test]
    async fn answers_wait_for_each_other_while_batches_are_under_way() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        let lease = state.acquire("s").unwrap();
        let ledger = Ledger::open(&Ledger::path(folder.path(), "s"), &lease).unwrap();
        let journal = Journal::open(&ledger).unwrap();
        let first = journal.begin(intent(1)).await.unwrap();
        let second = journal.begin(intent(2)).await.unwrap();
        let mut one = Box::pin(journal.settle(first, delivered(1)));
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut one).await.is_err());
        assert_eq!(ledger.entries().unwrap(), 0);
        // No other batch can come to an end that one would wait for.
        let (one, two) = tokio::join!(one, journal.settle(second, delivered(2)));
        one.and(two).unwrap();
        assert_eq!(ledger.entries().unwrap(), 2);
        let third = journal.begin(intent(3)).await.unwrap();
        journal.begin(intent(4)).await.unwrap();
        let unsettled = journal.settle(third, delivered(3));
        assert!(tokio::time::timeout(Duration::from_millis(1), unsettled).await.is_err());
        drop(journal);
        assert_eq!(ledger.entries().unwrap(), 3, "what was handed in is stored at the end");
    }
}
