//! A planned batch, read from the spool as often as the destination needs it.

use std::io;
use std::ops::Range;
use std::vec::IntoIter;

use outflow_connectors::contract::{
    BatchSource, Change, ChangeRef, ConnectorError, FieldRef, FieldValue, Kind, Look, Value, Verb, beyond,
};

use super::cleared::Cleared;
use super::feed::size;
use crate::error::{Error, Result};
use crate::ledger::{Intent, IntentEntry};
use crate::sync::map::Mapper;
use crate::sync::plan::Item;
use crate::sync::spool::{Loaded, Place, Spool, Stored, destination_key, write_key, write_list};

/// Where the records of all batches of a run are.
#[derive(Clone, Copy)]
pub struct Records<'a> {
    pub spool: &'a Spool,
    pub mapper: &'a Mapper,
    /// Which fields `on_delete: clear` empties, where that is asked for.
    pub cleared: Option<Cleared<'a>>,
}

/// Some items of one phase.
pub struct Batch<'a> {
    pub records: Records<'a>,
    pub items: Vec<Item>,
    /// The items' records, unless they are too large to stay in memory while the batch is under way.
    loaded: Option<Loaded>,
}

/// Bytes of the spool that are in memory for one batch.
pub const KEPT: usize = 4 << 20;
/// Bytes of a larger batch that are looked at together: few enough to stay in a processor's own cache.
const LOOKED_AT: usize = 1 << 19;

impl<'a> Batch<'a> {
    /// # Errors
    /// When the spool cannot be read.
    pub fn load(records: Records<'a>, items: Vec<Item>) -> Result<Self> {
        let loaded = match items.iter().map(size).sum::<usize>() <= KEPT {
            true => Some(records.load(&items)?),
            false => None,
        };
        Ok(Batch { records, items, loaded })
    }

    /// A batch whose records are in memory already, one for each item.
    pub fn loaded(records: Records<'a>, items: Vec<Item>, loaded: Loaded) -> Self {
        Batch { records, items, loaded: Some(loaded) }
    }

    /// All items with their records: at once where they are in memory, else so many at a time as may be.
    pub fn windows(&self) -> Windows<'_> {
        self.windows_of(0..self.items.len())
    }

    /// The items at these places, likewise.
    fn windows_of(&self, places: Range<usize>) -> Windows<'_> {
        Windows { batch: self, ranges: self.cut(places).into_iter(), read: Loaded::default() }
    }

    /// How many of the items at these places have a record.
    fn with_records(&self, places: Range<usize>) -> usize {
        self.items[places].iter().filter(|item| item.place.is_some()).count()
    }

    fn cut(&self, places: Range<usize>) -> Vec<Range<usize>> {
        if self.loaded.is_some() {
            return vec![places];
        }
        let mut windows = Vec::new();
        let (mut start, mut bytes) = (places.start, 0);
        for position in places.clone() {
            let more = size(&self.items[position]);
            if bytes + more > LOOKED_AT && position > start {
                windows.push(start..position);
                (start, bytes) = (position, 0);
            }
            bytes += more;
        }
        windows.push(start..places.end);
        windows
    }

    /// What must be durable before the batch leaves.
    ///
    /// # Errors
    /// When the spool cannot be read.
    pub fn intent(&self, run_id: &str) -> Result<Intent> {
        let verb = self.items.first().map_or(Verb::Upsert, |item| item.verb);
        let mut intent = Intent::new(run_id, verb);
        intent.reserve(self.items.len());
        let (mut key_text, mut destination_key) = (Vec::new(), Vec::new());
        let mut windows = self.windows();
        while let Some(window) = windows.next()? {
            for (item, record) in window.iter() {
                let Some(record) = record? else {
                    intent.push(&item.intent());
                    continue;
                };
                self.records.write_texts(&record, &mut key_text, &mut destination_key)?;
                intent.push(&IntentEntry {
                    key: item.key,
                    record: item.record,
                    key_text: &*key_text,
                    destination_hash: item.destination_hash,
                    destination_key: &*destination_key,
                    remote_id: item.remote_id.as_deref().map(str::as_bytes),
                });
            }
        }
        Ok(intent)
    }
}

/// The items of a batch, some at a time; the records of those that were given last stay in memory until the next are
/// asked for.
pub struct Windows<'b> {
    batch: &'b Batch<'b>,
    ranges: IntoIter<Range<usize>>,
    read: Loaded,
}

impl Windows<'_> {
    /// # Errors
    /// When the spool cannot be read.
    pub fn next(&mut self) -> Result<Option<Window<'_>>> {
        let Some(range) = self.ranges.next() else { return Ok(None) };
        let Batch { records, items, loaded } = self.batch;
        let some = &items[range.clone()];
        let (loaded, skipped) = match loaded {
            Some(loaded) => (loaded, self.batch.with_records(0..range.start)),
            None => {
                records.spool.reload(places(some), &mut self.read)?;
                (&self.read, 0)
            }
        };
        Ok(Some(Window { records: *records, items: some, loaded, skipped }))
    }
}

/// Some items of a batch and their records.
pub struct Window<'b> {
    records: Records<'b>,
    items: &'b [Item],
    loaded: &'b Loaded,
    /// Records before those of the items.
    skipped: usize,
}

/// Where the records of those items are that have one.
fn places(items: &[Item]) -> impl Iterator<Item = Place> + Clone {
    items.iter().filter_map(|item| item.place)
}

impl Window<'_> {
    /// The items in their order, each with its record, if it has one.
    pub fn iter(&self) -> impl Iterator<Item = (&Item, Result<Option<Stored<'_>>>)> {
        let mut index = self.skipped..;
        self.items.iter().map(move |item| {
            let record =
                item.place.and_then(|place| Some(self.loaded.get(index.next()?, place, item.hashes())));
            (item, record.transpose().map_err(|error| self.records.spool.damaged(&error)))
        })
    }
}

impl Item {
    /// What must be durable before the object is let go of.
    fn intent(&self) -> IntentEntry<&str> {
        let detail = self.detail.as_deref();
        IntentEntry {
            key: self.key,
            record: self.record,
            key_text: detail.and_then(|detail| detail.key.as_deref()).unwrap_or_default(),
            destination_hash: self.destination_hash,
            destination_key: self.old_destination_key().unwrap_or_default(),
            remote_id: self.remote_id.as_deref(),
        }
    }

    /// JSON list: where the object is that goes away.
    fn old_destination_key(&self) -> Option<&str> {
        self.detail.as_deref()?.destination_key.as_deref()
    }
}

impl Records<'_> {
    fn load(&self, items: &[Item]) -> Result<Loaded> {
        self.spool.load(places(items))
    }

    /// Replaces what two buffers hold by the record's key and destination key, see [`write_key`] and [`write_list`].
    ///
    /// # Errors
    /// When the record is damaged.
    pub fn write_texts(
        &self,
        record: &Stored<'_>,
        key: &mut Vec<u8>,
        destination: &mut Vec<u8>,
    ) -> Result<()> {
        let written = write_key(&self.mapper.spec.key, record.key_values(), key)
            .and_then(|()| write_list(record.destination_key(), destination));
        written.map_err(|error| self.spool.damaged(&error))
    }

    /// Replaces what two buffers hold by the record's destination key and the fields that are sent.
    fn borrow<'b>(
        &'b self,
        (item, record): (&Item, Stored<'b>),
        key: &mut Vec<FieldRef<'b>>,
        fields: &mut Vec<FieldRef<'b>>,
    ) -> io::Result<()> {
        let spec = &self.mapper.spec;
        key.clear();
        for (name, value) in spec.match_on.iter().zip(record.destination_key()) {
            key.push(FieldRef { name, value: value? });
        }
        fields.clear();
        for (field, value) in spec.fields.iter().zip(record.fields()) {
            let Some(value) = value? else { continue };
            let known = item.detail.as_deref().filter(|_| item.narrow);
            let is_sent = known.is_none_or(|known| {
                value.to_value().is_none_or(|value| self.mapper.differs(&item.key, (field, &value), known))
            });
            if is_sent {
                fields.push(FieldRef { name: &field.name, value });
            }
        }
        Ok(())
    }

    /// The change that lets go of an object: an update empties it.
    fn farewell(&self, item: &Item) -> Change {
        let cleared = self.cleared.filter(|_| item.verb == Verb::Update);
        let cleared = cleared.map(|cleared| cleared.of(item.detail.as_deref())).unwrap_or_default();
        Change {
            verb: item.verb,
            destination_key: destination_key(&self.mapper.spec.match_on, item.old_destination_key()),
            remote_id: item.remote_id.clone(),
            fields: cleared.into_iter().map(|name| FieldValue { name, value: Value::Null }).collect(),
        }
    }
}

impl BatchSource for Batch<'_> {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn each_in(&self, places: Range<usize>, look: Look<'_>) -> Result<(), ConnectorError> {
        let unreadable = |error: Error| ConnectorError::new(Kind::Internal, error.message);
        if places.end > self.items.len() {
            return Err(beyond());
        }
        let mut windows = self.windows_of(places);
        while let Some(window) = windows.next().map_err(unreadable)? {
            let (mut key, mut fields) = (Vec::new(), Vec::new());
            for (item, record) in window.iter() {
                let Some(record) = record.map_err(unreadable)? else {
                    self.records.farewell(item).borrowed(&mut *look)?;
                    continue;
                };
                let borrowed = self.records.borrow((item, record), &mut key, &mut fields);
                borrowed.map_err(|error| unreadable(self.records.spool.damaged(&error)))?;
                let remote_id = item.remote_id.as_deref();
                look(ChangeRef { verb: item.verb, destination_key: &key, remote_id, fields: &fields })?;
            }
        }
        Ok(())
    }
}
