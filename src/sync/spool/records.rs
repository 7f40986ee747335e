//! Records in the order of the extract, one after another in a file that is read from many places at once.

use std::fs::File;
use std::io;
use std::mem::take;
use std::os::unix::fs::FileExt;

use outflow_connectors::rehearsal::point;

use super::spill::{Fixed, Space, array};
use super::stored::Stored;
use crate::error::Result;
use crate::sync::map::{Hashes, Record};

/// Where a record stands in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub offset: u64,
    pub len: u32,
}

impl Place {
    /// Of a row that has no record.
    pub const NONE: Place = Place { offset: 0, len: 0 };

    /// Bytes in the spool.
    pub fn bytes(self) -> u64 {
        u64::from(self.len)
    }

    /// Bytes that a request needs for the record, about: its values, and something around them.
    pub fn size(self) -> u64 {
        self.bytes() + AROUND
    }
}

impl Fixed for Place {
    const WIDTH: usize = 12;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        Place { offset: u64::from_le_bytes(array(bytes, 0)), len: u32::from_le_bytes(array(bytes, 8)) }
    }
}

/// Bytes of a request around the values of a record.
const AROUND: u64 = 40;

/// Bytes that are written at once.
const BUFFER: usize = 1 << 18;

/// Records being written.
pub struct SpoolWriter {
    space: Space,
    /// Created with the first record that does not fit in the buffer.
    file: Option<File>,
    written: u64,
    buffer: Vec<u8>,
}

/// Records that can be read from many places at once.
pub struct Spool {
    space: Space,
    file: Option<File>,
    written: u64,
    /// What follows the file's content.
    tail: Vec<u8>,
}

impl SpoolWriter {
    /// # Errors
    /// When the folder cannot take a file.
    pub fn create(space: Space) -> Result<Self> {
        Ok(SpoolWriter { space, file: None, written: 0, buffer: Vec::new() })
    }

    /// Where the next record goes.
    pub fn end(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Appends records, each as [`Stored::write`] writes it.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn append(&mut self, records: &[u8]) -> Result<()> {
        if self.buffer.len() + records.len() >= BUFFER {
            self.flush()?;
        }
        // What would fill the buffer by itself needs none.
        if records.len() >= BUFFER {
            return self.write(records);
        }
        self.buffer.extend_from_slice(records);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let mut buffer = take(&mut self.buffer);
        self.write(&buffer)?;
        buffer.clear();
        self.buffer = buffer;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.file.is_none() {
            self.file = Some(self.space.file()?);
        }
        let Some(file) = &self.file else { return Ok(()) };
        self.space.take(bytes.len())?;
        file.write_all_at(bytes, self.written).map_err(|error| self.space.failed("write", &error))?;
        point("spool.flushed");
        self.written += bytes.len() as u64;
        Ok(())
    }

    pub fn finish(mut self) -> Result<Spool> {
        if self.file.is_some() {
            self.flush()?;
        }
        let SpoolWriter { space, file, written, buffer } = self;
        Ok(Spool { space, file, written, tail: buffer })
    }
}

/// Gaps between records that are read along rather than skipped.
const GAPS: u64 = 4;

impl Spool {
    pub fn read(&self, place: Place, hashes: Hashes) -> Result<Record> {
        let loaded = self.load([place])?;
        loaded.get(0, place, hashes).and_then(Stored::to_record).map_err(|error| self.damaged(&error))
    }

    /// Records at these places; at once where they stand close together.
    pub fn load(&self, places: impl IntoIterator<Item = Place> + Clone) -> Result<Loaded> {
        let mut loaded = Loaded::default();
        self.reload(places, &mut loaded)?;
        Ok(loaded)
    }

    /// As [`Self::load`], in the memory of records that are not needed any more.
    pub fn reload(&self, places: impl IntoIterator<Item = Place> + Clone, into: &mut Loaded) -> Result<()> {
        let spans = || places.clone().into_iter().map(|place| (place.offset, place.offset + place.bytes()));
        let start = spans().map(|(start, _)| start).min().unwrap_or(0);
        let end = spans().map(|(_, end)| end).max().unwrap_or(0);
        let wanted: u64 = spans().map(|(start, end)| end - start).sum();
        let Loaded { bytes, starts } = into;
        starts.clear();
        if end - start <= wanted.saturating_mul(GAPS) {
            bytes.resize((end - start) as usize, 0);
            starts.extend(spans().map(|(at, _)| (at - start) as usize));
            return self.fill(start, bytes);
        }
        bytes.resize(wanted as usize, 0);
        let mut at = 0;
        for (start, end) in spans() {
            starts.push(at);
            let next = at + (end - start) as usize;
            self.fill(start, &mut bytes[at..next])?;
            at = next;
        }
        Ok(())
    }

    /// A record that is none, or a value of it.
    pub fn damaged(&self, error: &io::Error) -> crate::error::Error {
        self.space.failed("read", error)
    }

    fn fill(&self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        match &self.file {
            Some(file) => {
                file.read_exact_at(bytes, offset).map_err(|error| self.space.failed("read", &error))
            }
            None => {
                let at = (offset - self.written) as usize;
                bytes.copy_from_slice(&self.tail[at..at + bytes.len()]);
                Ok(())
            }
        }
    }
}

/// The bytes of some records.
#[derive(Debug, Default)]
pub struct Loaded {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Loaded {
    /// Records that begin at these places among the bytes.
    pub fn new(bytes: Vec<u8>, starts: Vec<usize>) -> Self {
        Loaded { bytes, starts }
    }

    /// The record that was asked for in this place of the list.
    ///
    /// # Errors
    /// Where it is none.
    pub fn get(&self, index: usize, place: Place, hashes: Hashes) -> io::Result<Stored<'_>> {
        let start = self.starts[index];
        Stored::parse(&self.bytes[start..start + place.len as usize], hashes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::spool::stored::tests::{hashes, record, written};

    fn append(writer: &mut SpoolWriter, record: &Record) -> (Place, Hashes) {
        let (offset, bytes) = (writer.end(), written(record));
        writer.append(&bytes).unwrap();
        (Place { offset, len: bytes.len() as u32 }, hashes(record))
    }

    fn read_all(spool: &Spool, places: &[(Place, Hashes)]) -> Vec<Record> {
        let mut loaded = Loaded::new(vec![1; 7], vec![3]);
        spool.reload(places.iter().map(|(place, _)| *place), &mut loaded).unwrap();
        let records = places.iter().enumerate();
        let record = |(index, (place, hashes)): (usize, &(Place, Hashes))| {
            loaded.get(index, *place, *hashes).unwrap().to_record().unwrap()
        };
        records.map(record).collect()
    }

    #[test]
    fn a_record_returns_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let other = Record { fields: vec![], ..record() };
        for more in [0, 3 * BUFFER / 100] {
            let mut writer = SpoolWriter::create(Space::new(folder.path(), u64::MAX, 1 << 20)).unwrap();
            let mut places = vec![append(&mut writer, &record()), append(&mut writer, &other)];
            places.extend((0..more).map(|_| append(&mut writer, &record())));
            let spool = writer.finish().unwrap();
            assert_eq!(spool.file.is_some(), more > 0);
            let read = |(place, hashes): (Place, Hashes)| spool.read(place, hashes).unwrap();
            assert_eq!(read(places[1]), other);
            assert_eq!(read(places[0]), record());
            let last = places.len() - 1;
            assert_eq!(read_all(&spool, &[places[last], places[1]]), [read(places[last]), other.clone()]);
            assert_eq!(read_all(&spool, &[]), []);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
    }

    #[test]
    fn many_records_are_appended_as_one_would_be() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = SpoolWriter::create(Space::new(folder.path(), u64::MAX, 1 << 20)).unwrap();
        let first = append(&mut writer, &record());
        let (start, one) = (writer.end(), written(&record()));
        writer.append(&one.repeat(BUFFER / one.len() + 1)).unwrap();
        assert_eq!(writer.written, writer.end(), "nothing waits behind what fills the buffer by itself");
        let last = append(&mut writer, &record());
        let spool = writer.finish().unwrap();
        let second = Place { offset: start + one.len() as u64, ..first.0 };
        assert_eq!(read_all(&spool, &[first, (second, first.1), last]), [record(), record(), record()]);
    }
}
