//! A range of an object as a stream: parts, each a request, some of them ahead of the reader.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::object::{Object, Pending};

/// The first part of a file, which may be all that is looked at; each further one is twice as large, up to [`MOST`].
const FIRST: u64 = 256 << 10;
const MOST: u64 = 8 << 20;
/// Parts on their way while another is read.
const AHEAD: usize = 2;

/// Reads a range from its beginning. It holds three parts at most.
pub(in crate::files) struct Parts {
    object: Arc<Object>,
    /// What is not asked for yet.
    left: Range<u64>,
    /// Bytes of the next part, and of the largest.
    size: u64,
    most: u64,
    ahead: usize,
    /// Nothing is ahead of the first part, which may be all that is wanted.
    hesitant: bool,
    waiting: VecDeque<Pending>,
    /// What broke it off: no decoder shall go on behind a gap.
    broken: bool,
    /// Where the part begins that is read.
    at: u64,
    part: Bytes,
}

impl Parts {
    /// All of an object.
    pub(in crate::files) fn all(object: &Arc<Object>) -> Self {
        Parts { size: FIRST, ahead: AHEAD, hesitant: true, ..Parts::of(object, 0..object.bytes(), MOST) }
    }

    /// A range in parts of one size, one of them ahead.
    pub(in crate::files) fn of(object: &Arc<Object>, range: Range<u64>, size: u64) -> Self {
        let (at, waiting) = (range.start, VecDeque::new());
        let (object, part) = (object.clone(), Bytes::new());
        let (ahead, hesitant, broken) = (1, false, false);
        Parts { object, left: range, size, most: size, ahead, hesitant, waiting, broken, at, part }
    }

    /// Asks for the first part, where that was not done.
    pub(in crate::files) fn begin(&mut self) {
        if self.waiting.is_empty() {
            self.ask();
        }
    }

    fn ask(&mut self) {
        let end = self.left.end.min(self.left.start.saturating_add(self.size));
        if self.left.start < end {
            self.waiting.push_back(self.object.begin(self.left.start..end));
            self.left.start = end;
            self.size = self.most.min(self.size * 2);
        }
    }

    /// Goes to the next part; `false` after the last.
    fn advance(&mut self) -> io::Result<bool> {
        if self.broken {
            return Err(io::Error::other("it broke off before"));
        }
        self.begin();
        let Some(next) = self.waiting.pop_front() else { return Ok(false) };
        while !self.hesitant && self.waiting.len() < self.ahead && !self.left.is_empty() {
            self.ask();
        }
        self.hesitant = false;
        self.at += self.part.len() as u64;
        self.part = Bytes::new(); // its memory is free before the next is there
        self.broken = true;
        self.part = self.object.end(next)?;
        self.broken = false;
        Ok(true)
    }

    /// Bytes from a place on, as many as its part has; `None` where the place is behind, or beyond the range.
    pub(in crate::files) fn from(&mut self, place: u64) -> io::Result<Option<Bytes>> {
        loop {
            let within = place.checked_sub(self.at).and_then(|skip| usize::try_from(skip).ok());
            match within {
                None => return Ok(None),
                Some(skip) if skip < self.part.len() => return Ok(Some(self.part.slice(skip..))),
                Some(_) if !self.advance()? => return Ok(None),
                Some(_) => {}
            }
        }
    }
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() && !self.advance()? {
            return Ok(0);
        }
        let taken = buffer.len().min(self.part.len());
        buffer[..taken].copy_from_slice(&self.part.split_to(taken));
        self.at += taken as u64;
        Ok(taken)
    }
}
