//! The three files of a job's results, matched with the rows that were sent: their order is not kept, so each row is known by
//! its key.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};

use csv_core::{ReadRecordResult, Reader};

use super::errors;
use super::jobs::File;
use super::options::ID;
use crate::contract::{ConnectorError, Kind, Outcome, Retry};
use crate::http::Sink;

/// The code of a file that is not one of results.
pub(super) const NOT_RESULTS: &str = "RESULTS_NOT_UNDERSTOOD";

/// The rows of a job by 64 bits of what the results call them.
#[derive(Debug, Default)]
pub(super) struct Keys {
    places: HashMap<u64, u32>,
    hasher: RandomState,
}

impl Keys {
    /// Takes the row at this place of the batch; false where another row cannot be told from it.
    pub(super) fn add(&mut self, key: &[u8], place: usize) -> bool {
        match self.places.entry(self.hasher.hash_one(key)) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(place as u32);
                true
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    fn get(&self, key: &[u8]) -> Option<usize> {
        self.places.get(&self.hasher.hash_one(key)).map(|place| *place as usize)
    }

    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.places.values().map(|place| *place as usize)
    }
}

/// What the results say of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// Saved, as the record of this id; whether it is new.
    Saved(Box<str>, Option<bool>),
    /// Refused, in Salesforce's words.
    Refused(Box<Outcome>),
    /// Never tried.
    Untouched,
    /// Two things at once, which proves neither.
    Twice,
}

/// What the files said so far, by the rows' places in the batch.
pub(super) struct Results<'a> {
    keys: &'a Keys,
    /// The column that has a row's key.
    column: &'a str,
    said: HashMap<usize, Said>,
    /// Lines of rows that were not sent.
    foreign: u64,
}

impl<'a> Results<'a> {
    pub(super) fn new(keys: &'a Keys, column: &'a str) -> Self {
        Results { keys, column, said: HashMap::with_capacity(keys.len()), foreign: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.said.len()
    }

    pub(super) fn foreign(&self) -> u64 {
        self.foreign
    }

    pub(super) fn into_said(self) -> HashMap<usize, Said> {
        self.said
    }

    pub(super) fn get(&self, place: usize) -> Option<&Said> {
        self.said.get(&place)
    }

    /// Takes one of the files.
    pub(super) fn of<'b>(&'b mut self, file: File) -> OfFile<'b, 'a> {
        OfFile {
            results: self,
            file,
            reader: Reader::new(),
            cells: vec![0; 1024],
            ends: vec![0; 32],
            filled: (0, 0),
            header: None,
            lines: Vec::new(),
        }
    }

    fn put(&mut self, place: usize, said: Said) {
        self.said.entry(place).and_modify(|before| *before = Said::Twice).or_insert(said);
    }
}

/// Where the cells that count stand in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    width: usize,
    id: Option<usize>,
    /// `sf__Created` or `sf__Error`.
    about: Option<usize>,
    key: Option<usize>,
}

/// Takes one file while it comes.
pub(super) struct OfFile<'b, 'a> {
    results: &'b mut Results<'a>,
    file: File,
    reader: Reader,
    cells: Vec<u8>,
    ends: Vec<usize>,
    /// Bytes of cells, and cells, of the line that has come in part.
    filled: (usize, usize),
    header: Option<Header>,
    /// What this body said; it counts when it is whole.
    lines: Vec<(Option<usize>, Said)>,
}

/// An answer that is not the file that was asked for; it is asked for again.
fn not_a_file(what: &str) -> ConnectorError {
    ConnectorError::new(Kind::Unavailable, format!("a job's results make no sense: {what}"))
        .code(NOT_RESULTS)
        .retry(Retry::Backoff)
}

impl OfFile<'_, '_> {
    fn read(&mut self, mut input: &[u8], is_end: bool) -> Result<(), ConnectorError> {
        loop {
            let (bytes, cells) = self.filled;
            let (result, read, written, ended) =
                self.reader.read_record(input, &mut self.cells[bytes..], &mut self.ends[cells..]);
            input = &input[read..];
            self.filled = (bytes + written, cells + ended);
            match result {
                ReadRecordResult::InputEmpty if is_end => {}
                ReadRecordResult::InputEmpty => return Ok(()),
                ReadRecordResult::OutputFull => self.cells.resize(self.cells.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => {
                    self.line()?;
                    self.filled = (0, 0);
                }
                ReadRecordResult::End => return Ok(()),
            }
        }
    }

    fn cell(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.cells[start..self.ends[at]]
    }

    fn line(&mut self) -> Result<(), ConnectorError> {
        let width = self.filled.1;
        let Some(header) = self.header else {
            self.header = Some(self.names(width)?);
            return Ok(());
        };
        if width != header.width {
            return Err(not_a_file("a line has other columns than the first"));
        }
        let text = |at: Option<usize>| at.map(|at| String::from_utf8_lossy(self.cell(at)).into_owned());
        let id = text(header.id).unwrap_or_default();
        let said = match self.file {
            File::Successful if id.is_empty() => Said::Twice,
            File::Successful => {
                let created = text(header.about).and_then(|created| created.parse().ok());
                Said::Saved(id.into(), created)
            }
            File::Failed => Said::Refused(Box::new(errors::of_line(&text(header.about).unwrap_or_default()))),
            File::Unprocessed => Said::Untouched,
        };
        let Some(key) = header.key else { return Err(not_a_file("their first line lacks a column")) };
        let place = self.results.keys.get(self.cell(key));
        self.lines.push((place, said));
        Ok(())
    }

    fn names(&self, width: usize) -> Result<Header, ConnectorError> {
        let find = |name: &str| (0..width).find(|at| self.cell(*at).eq_ignore_ascii_case(name.as_bytes()));
        let about = if self.file == File::Failed { "sf__Error" } else { "sf__Created" };
        // Of what went by its id, the file may have that alone.
        let key = match (find(self.results.column), self.results.column) {
            (None, ID) => find("sf__Id"),
            (found, _) => found,
        };
        let (id, about) = (find("sf__Id"), find(about));
        // A file without rows has no more than these columns.
        match if self.file == File::Unprocessed { key } else { id } {
            Some(_) => Ok(Header { width, id, about, key }),
            None => Err(not_a_file("their first line lacks a column")),
        }
    }
}

impl Sink for OfFile<'_, '_> {
    fn begin(&mut self) {
        self.reader.reset();
        self.filled = (0, 0);
        self.header = None;
        self.lines.clear();
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), ConnectorError> {
        // To the reader, nothing is the end.
        if bytes.is_empty() { Ok(()) } else { self.read(bytes, false) }
    }

    fn end(&mut self) -> Result<(), ConnectorError> {
        self.read(&[], true)?;
        if self.header.is_none() {
            return Err(not_a_file("they are empty"));
        }
        for (place, said) in std::mem::take(&mut self.lines) {
            match place {
                Some(place) => self.results.put(place, said),
                None => self.results.foreign += 1,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        let mut keys = Keys::default();
        for (place, key) in ["a", "b\"q\"", "日本\r\n", " c "].iter().enumerate() {
            assert!(keys.add(key.as_bytes(), place));
        }
        keys
    }

    /// Gives the text in pieces of so many bytes.
    fn fed(results: &mut Results<'_>, file: File, text: &str, piece: usize) -> Result<(), ConnectorError> {
        let mut sink = results.of(file);
        sink.begin();
        text.as_bytes().chunks(piece).try_for_each(|bytes| sink.take(bytes))?;
        sink.end()
    }

    const SAVED: &str =
        "\"sf__Id\",\"sf__Created\",\"Ext__c\"\n\"003B\",\"false\",\"日本\r\n\"\n\"003A\",\"true\",\"a\"\n";
    const FAILED: &str = "\"sf__Id\",\"sf__Error\",Ext__c\n,\"REQUIRED_FIELD_MISSING:Required fields are missing: [LastName, \
                          X]\nreally:LastName --\",\"b\"\"q\"\"\"\n,UNABLE_TO_LOCK_ROW,\" c \"";

    #[test]
    fn rows_are_known_by_their_keys_however_the_file_is_cut() {
        let keys = keys();
        for piece in 1..40 {
            let mut results = Results::new(&keys, "Ext__c");
            fed(&mut results, File::Successful, SAVED, piece).unwrap();
            fed(&mut results, File::Failed, FAILED, piece).unwrap();
            assert_eq!(results.get(0), Some(&Said::Saved("003A".into(), Some(true))));
            assert_eq!(results.get(2), Some(&Said::Saved("003B".into(), Some(false))));
            let Some(Said::Refused(refused)) = results.get(1) else { panic!("{:?}", results.get(1)) };
            let Outcome::Rejected { code, field, message } = &**refused else { panic!("{refused:?}") };
            assert_eq!((code.as_str(), field.as_deref()), ("REQUIRED_FIELD_MISSING", Some("LastName")));
            assert!(message.starts_with("Required fields are missing: [LastName, X]"), "{message}");
            let Some(Said::Refused(locked)) = results.get(3) else { panic!() };
            assert!(errors::is_lock(locked));
            assert_eq!((results.len(), results.foreign()), (4, 0));
        }
    }

    #[test]
    fn a_file_counts_when_it_is_whole_and_once() {
        let keys = keys();
        let mut results = Results::new(&keys, "Ext__c");
        let mut sink = results.of(File::Successful);
        sink.begin();
        sink.take(SAVED.as_bytes()).unwrap();
        sink.begin();
        sink.take(SAVED.as_bytes()).unwrap();
        sink.end().unwrap();
        assert_eq!(results.len(), 2, "what broke off is void");
        fed(&mut results, File::Unprocessed, "Ext__c\na\nzzz\n", 3).unwrap();
        assert_eq!((results.get(0), results.foreign()), (Some(&Said::Twice), 1));
    }

    #[test]
    fn what_is_no_file_is_not_believed() {
        let keys = keys();
        for text in [
            "",
            "<html>fine</html>",
            "sf__Id,sf__Created\n1,true\n",
            "sf__Id,sf__Created,Ext__c\n1,true\n",
            "Ext__c\na\n",
        ] {
            let mut results = Results::new(&keys, "Ext__c");
            let error = fed(&mut results, File::Successful, text, 5).unwrap_err();
            assert_eq!((error.kind, error.retry), (Kind::Unavailable, Retry::Backoff), "{text}");
            assert_eq!(results.len(), 0);
        }
        let mut results = Results::new(&keys, "Ext__c");
        fed(&mut results, File::Successful, "sf__Id,sf__Created,Ext__c\n,true,a\n", 5).unwrap();
        assert_eq!(results.get(0), Some(&Said::Twice), "a record without an id proves nothing");
    }
}
