//! Where a delivery is cut: never inside a record, and no part above a limit.

use std::ops::Range;

/// What one part may hold; the largest numbers where nothing is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most records.
    pub rows: u64,
    /// Most bytes, with all that stands around the records.
    pub bytes: u64,
}

impl Limits {
    /// Any number of records of any size.
    pub const NONE: Limits = Limits { rows: u64::MAX, bytes: u64::MAX };
}

/// Where a record belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Into this part.
    Here,
    /// Into one that begins with it.
    Next,
    /// Into none: it is too large by itself.
    Never,
}

/// Counts what a part holds.
///
/// ```
/// use outflow_connectors::split::{Fit, Limits, Splitter};
///
/// // At most ten bytes, of which a header takes four.
/// let mut part = Splitter::new(Limits { rows: 100, bytes: 10 }, 4);
/// assert_eq!((part.fit(5), part.fit(7)), (Fit::Here, Fit::Never));
/// part.take(5);
/// assert_eq!((part.fit(1), part.fit(2)), (Fit::Here, Fit::Next));
/// ```
#[derive(Debug, Clone)]
pub struct Splitter {
    limits: Limits,
    /// Bytes that every part has beside its records.
    frame: u64,
    rows: u64,
    bytes: u64,
}

impl Splitter {
    /// A part without a record, whose `frame` (a header, brackets, the end of a compressed stream) takes so many bytes.
    pub fn new(limits: Limits, frame: u64) -> Self {
        Splitter { limits, frame, rows: 0, bytes: frame }
    }

    /// Where a record of so many bytes belongs.
    pub fn fit(&self, record: u64) -> Fit {
        let is_within = |bytes: u64| bytes.checked_add(record).is_some_and(|all| all <= self.limits.bytes);
        match () {
            () if self.rows < self.limits.rows && is_within(self.bytes) => Fit::Here,
            () if is_within(self.frame) && self.limits.rows > 0 => Fit::Next,
            () => Fit::Never,
        }
    }

    /// Counts a record of so many bytes.
    pub fn take(&mut self, record: u64) {
        self.rows += 1;
        self.bytes = self.bytes.saturating_add(record);
    }

    /// What was counted takes so many bytes in truth, the frame included: it was compressed.
    pub fn measured(&mut self, bytes: u64) {
        self.bytes = bytes;
    }

    /// Records so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

/// Cuts records of these lengths into runs, each as long as may be. A record that is too large by itself has a run of its
/// own; refuse it before it is sent.
pub fn cut(lengths: impl IntoIterator<Item = usize>, limits: Limits, frame: usize) -> Vec<Range<usize>> {
    let blank = Splitter::new(limits, frame as u64);
    let (mut runs, mut part): (Vec<Range<usize>>, _) = (Vec::new(), blank.clone());
    for (place, length) in lengths.into_iter().enumerate() {
        match (runs.last_mut(), part.fit(length as u64)) {
            (Some(run), Fit::Here) => run.end = place + 1,
            _ => {
                runs.push(place..place + 1);
                part = blank.clone();
            }
        }
        part.take(length as u64);
    }
    runs
}
