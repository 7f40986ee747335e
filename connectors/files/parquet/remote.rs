//! The places of a store's object that a decoder reads: its end, and then the chunks of its columns. Of each chunk no more
//! is in memory than a part and the next one, so that a row group of any size fits.

use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::{Bytes, BytesMut};

use super::super::store::{Object, Parts};

/// Bytes of the end that are fetched at once: the whole footer of most files.
const TAIL: u64 = 256 << 10;
/// Bytes in memory for the columns of one row group.
const BUDGET: u64 = 32 << 20;
/// The smallest and the largest part of a column's chunk.
const LEAST: u64 = 64 << 10;
const MOST: u64 = 8 << 20;
/// Bytes that nobody wants, and that cost less than a request of their own.
const GAP: u64 = 64 << 10;

/// An object, and where the chunks lie in it that will be read.
pub(super) struct Remote {
    object: Arc<Object>,
    tail: OnceLock<Bytes>,
    /// By where they begin.
    spans: Mutex<Vec<Span>>,
    /// Readers are so many row groups from each other at most: what is further behind is let go.
    apart: usize,
}

/// One chunk, or several that lie side by side.
struct Span {
    group: usize,
    range: Range<u64>,
    /// Bytes of a request.
    size: u64,
    /// Once somebody wanted some of its row group, and until nobody can want more.
    parts: Option<Parts>,
}

impl Remote {
    pub(super) fn new(object: &Arc<Object>, groups: Vec<Vec<Range<u64>>>, apart: usize) -> Self {
        let spans = groups.into_iter().enumerate().flat_map(|(group, chunks)| spans(group, chunks));
        let mut spans: Vec<Span> = spans.collect();
        spans.sort_by_key(|span| span.range.start);
        Remote { object: object.clone(), tail: OnceLock::new(), spans: Mutex::new(spans), apart }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.object.bytes()
    }

    /// Exactly so many bytes.
    pub(super) fn get(&self, start: u64, length: usize) -> io::Result<Bytes> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.bytes());
        let end = end.ok_or_else(|| io::Error::from(ErrorKind::UnexpectedEof))?;
        if length == 0 {
            return Ok(Bytes::new());
        }
        let Some(mut first) = self.held(start)? else { return self.object.read(start..end) };
        if first.len() >= length {
            first.truncate(length);
            return Ok(first);
        }
        let mut all = BytesMut::with_capacity(length);
        all.extend_from_slice(&first);
        while all.len() < length {
            let at = start + all.len() as u64;
            let more = match self.held(at)? {
                Some(more) => more,
                None => self.object.read(at..end)?,
            };
            all.extend_from_slice(&more[..more.len().min(length - all.len())]);
        }
        Ok(all.freeze())
    }

    /// Some bytes from a place on, of what is there or on its way; `None` where it is neither.
    fn held(&self, at: u64) -> io::Result<Option<Bytes>> {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        if spans.is_empty() {
            return self.end(at);
        }
        let behind = spans.partition_point(|span| span.range.start <= at);
        let Some(place) = behind.checked_sub(1).filter(|place| spans[*place].range.contains(&at)) else {
            return Ok(None);
        };
        if spans[place].parts.is_none() {
            self.turn_to(&mut spans, place);
        }
        spans[place].parts.as_mut().map_or(Ok(None), |parts| parts.from(at))
    }

    /// Nobody will want any of a row group again.
    pub(super) fn leave(&self, group: usize) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.iter_mut().filter(|span| span.group == group).for_each(|span| span.parts = None);
    }

    /// Asks for the first parts of a row group, all at once, and lets those go that nobody can want any more.
    fn turn_to(&self, spans: &mut [Span], place: usize) {
        let group = spans[place].group;
        for span in spans.iter_mut() {
            if span.group.saturating_add(self.apart) < group {
                span.parts = None;
            } else if span.group == group {
                let parts = span.parts.insert(Parts::of(&self.object, span.range.clone(), span.size));
                parts.begin();
            }
        }
    }

    fn end(&self, at: u64) -> io::Result<Option<Bytes>> {
        let start = self.bytes().saturating_sub(TAIL);
        if at < start {
            return Ok(None);
        }
        let tail = match self.tail.get() {
            Some(tail) => tail.clone(),
            None => self
                .tail
                .get_or_init({
                    let tail = self.object.read(start..self.bytes())?;
                    move || tail
                })
                .clone(),
        };
        let skip = usize::try_from(at - start).unwrap_or(usize::MAX).min(tail.len());
        Ok(Some(tail.slice(skip..)))
    }
}

/// The requests for the chunks of a row group.
fn spans(group: usize, mut chunks: Vec<Range<u64>>) -> Vec<Span> {
    chunks.sort_by_key(|chunk| chunk.start);
    let all: u64 = chunks.iter().map(|chunk| chunk.end - chunk.start).sum();
    // Two parts of each chunk are in memory; chunks of one request are there whole.
    let share = (BUDGET / 2 / (chunks.len() as u64).max(1)).clamp(LEAST, MOST);
    let together = if all <= BUDGET / 2 { MOST } else { share };
    let mut spans: Vec<Span> = Vec::new();
    for chunk in chunks {
        match spans.last_mut() {
            Some(last)
                if chunk.start <= last.range.end + GAP
                    && chunk.end.max(last.range.end) - last.range.start <= together =>
            {
                last.range.end = last.range.end.max(chunk.end);
                last.size = last.range.end - last.range.start;
            }
            _ => spans.push(Span { group, range: chunk, size: share, parts: None }),
        }
    }
    spans
}

/// An object from a place on.
pub(super) struct From {
    remote: Arc<Remote>,
    at: u64,
    held: Bytes,
}

impl From {
    pub(super) fn new(remote: &Arc<Remote>, at: u64) -> Self {
        From { remote: remote.clone(), at, held: Bytes::new() }
    }
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.held.is_empty() {
            let end = self.remote.bytes();
            if self.at >= end {
                return Ok(0);
            }
            self.held = match self.remote.held(self.at)? {
                Some(held) => held,
                None => self.remote.object.read(self.at..end.min(self.at + LEAST))?,
            };
        }
        let taken = buffer.len().min(self.held.len());
        buffer[..taken].copy_from_slice(&self.held.split_to(taken));
        self.at += taken as u64;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(chunks: Vec<Range<u64>>) -> Vec<(Range<u64>, u64)> {
        spans(0, chunks).into_iter().map(|span| (span.range, span.size)).collect()
    }

    #[test]
    fn small_chunks_come_together_and_large_ones_in_parts() {
        const KB: u64 = 1 << 10;
        assert_eq!(asked(vec![4..KB, KB..3 * KB, 9 * KB..10 * KB]), [(4..10 * KB, 10 * KB - 4)]);
        let far = asked(vec![4..KB, 500 * KB..501 * KB]);
        assert_eq!(
            far.iter().map(|(range, _)| range.clone()).collect::<Vec<_>>(),
            [4..KB, 500 * KB..501 * KB]
        );
        // A gigabyte of 100 columns: never more in memory than the budget, but for the least parts.
        let wide = (0..100).map(|n| n * (10 << 20)..(n + 1) * (10 << 20)).collect();
        let wide = asked(wide);
        assert!(
            wide.len() == 100 && wide.iter().map(|(_, size)| size * 2).sum::<u64>() <= BUDGET,
            "{wide:?}"
        );
        let many = asked((0..10_000).map(|n| n * 5_000..(n + 1) * 5_000).collect());
        assert!(
            many.iter().all(|(range, size)| *size <= LEAST && range.end - range.start <= LEAST),
            "{many:?}"
        );
    }
}
