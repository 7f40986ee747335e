//! Which jobs a batch has gone by so far: its handle, by which a later run finds them.

use std::fmt::Write;

use tokio::sync::Mutex;

use crate::contract::{ConnectorError, Handles, Kind, RemoteHandle};

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Contacts that a call brought: it was taken with all that it needs.
    Call,
    /// Contacts removed, or taken off a list.
    Removal,
    /// An import whose file was not sent yet.
    Empty,
    /// An import whose file is on its way, or there.
    Filled,
}

const TASKS: [(Task, char); 4] =
    [(Task::Call, 'c'), (Task::Removal, 'r'), (Task::Empty, 'e'), (Task::Filled, 'f')];

/// A job of the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) task: Task,
    pub(super) job: String,
    /// Places of its rows in the batch, in the order in which they were sent, which rises.
    pub(super) places: Vec<usize>,
}

/// The jobs of a batch in their order.
///
/// As a text, a word for each: a letter for the task, the job's id, and the places (`c:JOB:0-99,105`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Trail(pub(super) Vec<Step>);

impl Trail {
    /// Words that are none are left out.
    pub(super) fn read(handle: &RemoteHandle) -> Self {
        Trail(handle.0.split_whitespace().filter_map(step).collect())
    }

    fn handle(&self) -> RemoteHandle {
        RemoteHandle(self.0.iter().map(word).collect::<Vec<_>>().join(" "))
    }
}

fn word(step: &Step) -> String {
    let letter = TASKS.iter().find(|(task, _)| *task == step.task).map_or('c', |(_, letter)| *letter);
    let mut word = format!("{letter}:{}:", step.job);
    for (at, run) in step.places.chunk_by(|one, next| one + 1 == *next).enumerate() {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let comma = if at > 0 { "," } else { "" };
        let _ = match first == last {
            true => write!(word, "{comma}{first}"),
            false => write!(word, "{comma}{first}-{last}"),
        }; // writing to memory cannot fail
    }
    word
}

fn step(word: &str) -> Option<Step> {
    let (letter, rest) = word.split_once(':')?;
    let (job, ranges) = rest.rsplit_once(':')?;
    let (task, _) = TASKS.iter().find(|(_, known)| letter.chars().eq([*known]))?;
    let mut places = Vec::new();
    for range in ranges.split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        places.extend(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?);
    }
    Some(Step { task: *task, job: job.to_owned(), places })
}

/// A batch on its way.
pub(super) struct Underway<'a> {
    handles: &'a dyn Handles,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    trail: Trail,
    /// A job could not be written down.
    broken: bool,
}

impl<'a> Underway<'a> {
    pub(super) fn new(handles: &'a dyn Handles) -> Self {
        Underway { handles, noted: Mutex::default() }
    }

    /// Makes a job durable, or what is new of it.
    ///
    /// # Errors
    /// When it could not be stored.
    pub(super) async fn note(&self, step: Step) -> Result<(), ConnectorError> {
        let mut noted = self.noted.lock().await;
        match noted.trail.0.iter_mut().find(|known| known.job == step.job) {
            Some(known) => *known = step,
            None => noted.trail.0.push(step),
        }
        let stored = self.handles.store(&noted.trail.handle()).await;
        noted.broken |= stored.is_err();
        stored
    }

    /// # Errors
    /// Where a job of the batch could not be written down: nothing else is sent then.
    pub(super) async fn may_send(&self) -> Result<(), ConnectorError> {
        match self.noted.lock().await.broken {
            true => Err(ConnectorError::new(
                Kind::Internal,
                "an earlier job of the batch could not be written down",
            )),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_is_read_as_it_was_written() {
        let step =
            |task, job: &str, places: &[usize]| Step { task, job: job.to_owned(), places: places.to_vec() };
        let trail = Trail(vec![
            step(Task::Call, "ab-1", &[0, 1, 2, 7]),
            step(Task::Empty, "ab:2", &[3]),
            step(Task::Filled, "ab-3", &[]),
            step(Task::Removal, "ab-4", &[4, 6]),
        ]);
        assert_eq!(trail.handle().0, "c:ab-1:0-2,7 e:ab:2:3 f:ab-3: r:ab-4:4,6");
        assert_eq!(Trail::read(&trail.handle()), trail);
        assert_eq!(Trail::read(&RemoteHandle("odd x:1:2 c:j:a".to_owned())), Trail::default());
    }
}
