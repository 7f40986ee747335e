//! One large file, read by several threads in ranges, its rows handed over in their order.
//!
//! Where in a range its first row begins can only be guessed: a line end may stand inside quotes, and whether it does,
//! only what stands before the range could tell. So each batch says where it begins and what comes after it, and it counts
//! only where it goes on from the one before. What is missing the thread that hands over reads itself, from the right
//! place and by the rules for a whole file: a range of a wrong guess, rows that are very long, and rows that are wrong,
//! whose errors are so told in their turn, and with their line.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use super::content::{MAX_ROW, Plain};
use super::source::{Gone, Outlet, Task};
use crate::contract::{ConnectorError, Prepared, RowBatch};

/// Bytes of a range; a file of less than two is read by one thread. Few in tests, so that their files cross many borders.
const RANGE: usize = if cfg!(test) { 1 << 10 } else { 2 << 20 };
const MOST_THREADS: usize = 4;
/// Most bytes of a row that is read before its turn: larger ones are in memory one at a time.
const MOST_AHEAD: usize = 1 << 20;

/// When rows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// All before them was handed over: what is wrong with them is an error.
    Come,
    /// Perhaps in vain: what is wrong ends the reading, and nobody sees why.
    Ahead,
}

impl Turn {
    /// Most bytes of a row.
    pub(super) fn most(self) -> usize {
        match self {
            Turn::Come => MAX_ROW,
            Turn::Ahead => MOST_AHEAD,
        }
    }
}

/// Takes rows, with the place behind them.
pub(super) type Put<'a> = &'a mut dyn FnMut(RowBatch, u64) -> Result<(), Gone>;

/// A file of rows that can be read from wherever one of them begins.
pub(super) trait Form: Sync {
    /// Where the first row begins that does not begin before `start`, as far as can be seen there.
    fn guess(&self, start: u64) -> Option<u64>;

    /// Gives the rows that begin in the range, at whose start one begins, until nobody wants more.
    ///
    /// # Errors
    /// What is wrong with the first row that is not given.
    fn read(&self, range: Range<u64>, turn: Turn, put: Put<'_>) -> Result<(), ConnectorError>;
}

/// How a file is divided.
pub(super) struct Ranges {
    pub content: Plain,
    /// Bytes of each.
    pub size: usize,
    pub threads: usize,
}

impl Ranges {
    /// None where a file is read by one thread.
    ///
    /// # Errors
    /// As [`Plain::of`].
    pub(super) fn of(task: &Task<'_>) -> Result<Option<Self>, ConnectorError> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        if threads == 1 || task.opened.bytes() < 2 * RANGE as u64 {
            return Ok(None);
        }
        let content = Plain::of(task.input, task.opened)?;
        Ok(content.map(|content| Ranges { content, size: RANGE, threads }))
    }

    /// Hands over all rows from `start` on, where one begins.
    ///
    /// # Errors
    /// What is wrong with the first row that is not handed over.
    pub(super) fn read<F: Form>(&self, form: &F, start: u64, outlet: &Outlet) -> Result<(), ConnectorError> {
        let (hand_out, jobs) = mpsc::channel();
        let jobs = Arc::new(Mutex::new(jobs));
        thread::scope(|scope| {
            for _ in 0..self.threads {
                let jobs = jobs.clone();
                let work = move || {
                    while let Some(job) = next(&jobs) {
                        job.read(form, outlet);
                    }
                };
                let helper = thread::Builder::new().name("outflow-files".into()).spawn_scoped(scope, work);
                drop(helper); // without one this thread reads it all
            }
            drop(jobs); // the helpers alone have them: where none is left, nobody waits for what is not begun
            self.hand_over(form, start, hand_out, outlet)
        })
    }

    fn hand_over<F: Form>(
        &self,
        form: &F,
        start: u64,
        hand_out: mpsc::Sender<Job>,
        outlet: &Outlet,
    ) -> Result<(), ConnectorError> {
        let mut starts = (start..self.content.bytes).step_by(self.size);
        let mut ahead: VecDeque<(u64, mpsc::Receiver<Piece>)> = VecDeque::new();
        let mut place = start;
        while !outlet.is_closed() {
            while ahead.len() <= self.threads
                && let Some(start) = starts.next()
            {
                let end = self.content.bytes.min(start + self.size as u64);
                let (put, pieces) = mpsc::channel();
                let _ = hand_out.send(Job { range: start..end, put }); // where no helper is left, the pieces have ended
                ahead.push_back((end, pieces));
            }
            let Some((end, pieces)) = ahead.pop_front() else { break };
            if place >= end {
                continue; // the row before reaches beyond it
            }
            for piece in pieces {
                if piece.from != place {
                    break;
                }
                place = piece.to;
                if outlet.put_prepared(piece.rows, piece.prepared).is_err() {
                    return Ok(());
                }
            }
            if place < end {
                form.read(place..end, Turn::Come, &mut |rows, to| {
                    place = to;
                    outlet.put(rows)
                })?;
            }
        }
        Ok(())
    }
}

/// Waits for one, until there are no more.
fn next(jobs: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    jobs.lock().ok()?.recv().ok()
}

/// A range to read ahead of its turn. Its pieces wait in memory, so there are few of these.
struct Job {
    range: Range<u64>,
    put: mpsc::Sender<Piece>,
}

/// Rows, from where the first of them begins to where the row behind them does.
struct Piece {
    from: u64,
    rows: RowBatch,
    prepared: Option<Prepared>,
    to: u64,
}

impl Job {
    fn read(self, form: &impl Form, outlet: &Outlet) {
        let Job { range, put } = self;
        let Some(mut from) = form.guess(range.start).filter(|from| *from < range.end) else { return };
        let read = form.read(from..range.end, Turn::Ahead, &mut |rows, to| {
            let piece = Piece { from, prepared: outlet.prepare(&rows), rows, to };
            from = to;
            put.send(piece).map_err(|_| Gone)
        });
        drop(read); // what is wrong is found once more, in its turn
    }
}
