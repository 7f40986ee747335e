//! How long the end of a job on the other side is waited for.

use std::time::Duration;

/// Questions about a job: the first after a while, and each later one after a longer while.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Before the first question.
    pub first: Duration,
    /// Between two questions at most.
    pub longest: Duration,
    /// After so long without an end nobody knows what became of the job, until a later run asks.
    pub whole: Duration,
}
