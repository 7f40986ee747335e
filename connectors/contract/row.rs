//! Rows as a warehouse gives them: a schema and one arena per batch, no allocation per cell.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, civil};

use super::Cell;

mod block;
mod feed;

pub use block::Block;

/// Most bytes of one cell; a longer one is given as [`Cell::Malformed`].
pub const MAX_CELL: usize = 64 << 20;
/// Most bytes of the long cells of one batch: their places are 32-bit numbers.
const MAX_ARENA: usize = 2 << 30;

/// A column's name and the type the warehouse declares for it (its own word, `""` where it declares none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// As the query names it.
    pub name: String,
    /// The warehouse's own word for its type (`NUMERIC(10,2)`); empty where it declares none.
    pub declared: String,
}

/// The columns of a query's result, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schema {
    /// In the order of the query; names are distinct.
    pub columns: Vec<Column>,
}

impl Schema {
    /// Index of the column with exactly this name, else of the only one that differs in case alone.
    pub fn position(&self, name: &str) -> Option<usize> {
        let exact = self.columns.iter().position(|c| c.name == name);
        exact.or_else(|| {
            let mut alike =
                self.columns.iter().enumerate().filter(|(_, c)| c.name.eq_ignore_ascii_case(name));
            alike.next().filter(|_| alike.next().is_none()).map(|(i, _)| i)
        })
    }
}

/// 16 bytes: a batch has as many as cells.
#[derive(Debug, Clone, Copy)]
enum Slot {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Decimal { at: u32, scale: u8 },
    Date(civil::Date),
    Instant { seconds: i64, nanoseconds: i32 },
    Wall { seconds: i64, nanoseconds: i32 },
    Span { kind: Span, at: u32, len: u32 },
}

#[derive(Debug, Clone, Copy)]
enum Span {
    Text,
    Bytes,
    Json,
    List,
    Malformed,
}

const EPOCH: civil::DateTime = civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Seconds from 1970-01-01 00:00 to the beginning of the year -9999, and to the last second of 9999.
const FIRST_SECOND: i64 = -377_705_116_800;
const LAST_SECOND: i64 = 253_402_300_799;

fn wall(seconds: i64, nanoseconds: i32) -> civil::DateTime {
    let since = SignedDuration::new(seconds, nanoseconds);
    EPOCH.checked_add(since).unwrap_or(EPOCH) // the builder took it from the calendar, or checked its range
}

fn instant(seconds: i64, nanoseconds: i32) -> Timestamp {
    Timestamp::new(seconds, nanoseconds).unwrap_or_default() // the builder took it from one
}

/// Some thousand rows of one schema.
#[derive(Debug, Clone)]
pub struct RowBatch {
    schema: Arc<Schema>,
    slots: Vec<Slot>,
    arena: Vec<u8>,
    layout: Layout,
}

/// How far slots stand from each other: one next to the other in a row, or, as columnar formats give them, in a column.
#[derive(Debug, Clone, Copy)]
struct Layout {
    rows: usize,
    columns: usize,
}

impl Layout {
    fn by_row(schema: &Schema) -> Self {
        Layout { rows: schema.columns.len(), columns: 1 }
    }
}

impl RowBatch {
    /// The columns of every row.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.slots.len() / self.schema.columns.len().max(1)
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Bytes held by texts and other long cells.
    pub fn arena_bytes(&self) -> usize {
        self.arena.len()
    }

    /// The rows, in the source's order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).map(move |row| Row { batch: self, first: row * self.layout.rows })
    }
}

/// What a builder does: cells into slots.
impl RowBatch {
    fn empty(schema: Arc<Schema>) -> Self {
        let layout = Layout::by_row(&schema);
        RowBatch { schema, slots: Vec::new(), arena: Vec::new(), layout }
    }

    #[inline]
    fn slot(&mut self, cell: Cell<'_>) -> Slot {
        match cell {
            Cell::Null => Slot::Null,
            Cell::Bool(b) => Slot::Bool(b),
            Cell::Integer(i) => Slot::Integer(i),
            Cell::Float(f) => Slot::Float(f),
            Cell::Decimal { digits, scale } => {
                let at = self.arena.len() as u32;
                self.arena.extend_from_slice(&digits.to_le_bytes());
                Slot::Decimal { at, scale }
            }
            Cell::Date(d) => Slot::Date(d),
            Cell::Timestamp(t) => {
                Slot::Instant { seconds: t.as_second(), nanoseconds: t.subsec_nanosecond() }
            }
            Cell::DateTime(t) => {
                let since = t.duration_since(EPOCH);
                Slot::Wall { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() }
            }
            Cell::Text(s) => self.store(Span::Text, s.as_bytes()),
            Cell::Bytes(b) => self.store(Span::Bytes, b),
            Cell::Json(s) => self.store(Span::Json, s.as_bytes()),
            Cell::List(s) => self.store(Span::List, s.as_bytes()),
            Cell::Malformed(s) => self.store(Span::Malformed, s.as_bytes()),
        }
    }

    #[inline]
    fn wall_slot(&mut self, seconds: i64, nanoseconds: u32) -> Slot {
        if !(FIRST_SECOND..=LAST_SECOND).contains(&seconds) {
            return self.store(Span::Malformed, b"a time outside the years -9999 to 9999");
        }
        match seconds < 0 && nanoseconds > 0 {
            true => Slot::Wall { seconds: seconds + 1, nanoseconds: nanoseconds as i32 - 1_000_000_000 },
            false => Slot::Wall { seconds, nanoseconds: nanoseconds as i32 },
        }
    }

    #[inline]
    fn store(&mut self, kind: Span, bytes: &[u8]) -> Slot {
        let at = self.arena.len();
        if bytes.len() > MAX_CELL || at + bytes.len() > MAX_ARENA {
            let message = format!("a cell of {} bytes; at most {MAX_CELL} are read", bytes.len());
            return self.store(Span::Malformed, message.as_bytes());
        }
        self.arena.extend_from_slice(bytes);
        Slot::Span { kind, at: at as u32, len: bytes.len() as u32 }
    }
}

/// Bytes of a text that are copied at once, whatever its length.
pub const AHEAD: usize = 64;

/// A [`Cell`] as it is stored.
#[derive(Debug, Clone, Copy)]
pub enum Raw<'a> {
    /// UTF-8; where more is known to stand behind it, the bytes from its start on, which are copied faster than it alone.
    Text(&'a [u8], Option<&'a [u8; AHEAD]>),
    /// A wall-clock time: seconds since 1970-01-01 00:00 on the same clock, and nanoseconds of the same sign or zero.
    Wall {
        /// Whole seconds, before 1970 less than zero.
        seconds: i64,
        /// The rest of the second, of the same sign.
        nanoseconds: i32,
    },
    /// Any other cell, as it is.
    Other(Cell<'a>),
}

/// One row, borrowed from its batch.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    batch: &'a RowBatch,
    /// Where its first slot is.
    first: usize,
}

impl<'a> Row<'a> {
    /// The row's columns.
    pub fn schema(&self) -> &'a Arc<Schema> {
        &self.batch.schema
    }

    #[inline]
    fn slot(&self, column: usize) -> Slot {
        assert!(column < self.batch.schema.columns.len(), "the schema has no such column");
        self.batch.slots[self.first + column * self.batch.layout.columns]
    }

    /// The cell of the column at this position; panics where the schema has no such column.
    #[inline]
    pub fn cell(&self, column: usize) -> Cell<'a> {
        let arena = &self.batch.arena;
        match self.slot(column) {
            Slot::Null => Cell::Null,
            Slot::Bool(b) => Cell::Bool(b),
            Slot::Integer(i) => Cell::Integer(i),
            Slot::Float(f) => Cell::Float(f),
            Slot::Decimal { at, scale } => {
                let mut bytes = [0; 16];
                bytes.copy_from_slice(&arena[at as usize..at as usize + 16]);
                Cell::Decimal { digits: i128::from_le_bytes(bytes), scale }
            }
            Slot::Date(d) => Cell::Date(d),
            Slot::Instant { seconds, nanoseconds } => Cell::Timestamp(instant(seconds, nanoseconds)),
            Slot::Wall { seconds, nanoseconds } => Cell::DateTime(wall(seconds, nanoseconds)),
            Slot::Span { kind, at, len } => span(kind, &arena[at as usize..(at + len) as usize]),
        }
    }

    /// The cell without what [`Self::cell`] has to do for the sake of its types: no look at each byte of a text, no calendar.
    #[inline]
    pub fn raw(&self, column: usize) -> Raw<'a> {
        match self.slot(column) {
            Slot::Span { kind: Span::Text, at, len } => {
                let from = &self.batch.arena[at as usize..];
                Raw::Text(&from[..len as usize], from.first_chunk())
            }
            Slot::Wall { seconds, nanoseconds } => Raw::Wall { seconds, nanoseconds },
            _ => Raw::Other(self.cell(column)),
        }
    }

    /// Its cells, in the order of the columns.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'a>> + use<'a> {
        let row = *self;
        (0..self.batch.schema.columns.len()).map(move |column| row.cell(column))
    }
}

fn span(kind: Span, bytes: &[u8]) -> Cell<'_> {
    let text = || std::str::from_utf8(bytes).unwrap_or_default(); // the builder took it as `&str`
    match kind {
        Span::Text => Cell::Text(text()),
        Span::Bytes => Cell::Bytes(bytes),
        Span::Json => Cell::Json(text()),
        Span::List => Cell::List(text()),
        Span::Malformed => Cell::Malformed(text()),
    }
}

/// Fills a [`RowBatch`] cell by cell, row after row.
///
/// ```
/// use std::sync::Arc;
///
/// use outflow_connectors::contract::{Cell, Column, RowBatchBuilder, Schema};
///
/// let column = |name: &str, declared: &str| Column { name: name.into(), declared: declared.into() };
/// let schema = Schema { columns: vec![column("id", "INTEGER"), column("name", "TEXT")] };
/// let mut rows = RowBatchBuilder::new(Arc::new(schema));
/// for (id, name) in [(1, Some("Ann")), (2, None)] {
///     rows.push(Cell::Integer(id));
///     rows.push(name.map_or(Cell::Null, Cell::Text));
/// }
/// let batch = rows.take();
/// let names: Vec<Cell<'_>> = batch.rows().map(|row| row.cell(1)).collect();
/// assert_eq!(names, [Cell::Text("Ann"), Cell::Null]);
/// ```
#[derive(Debug)]
pub struct RowBatchBuilder {
    batch: RowBatch,
}

impl RowBatchBuilder {
    /// An empty batch of these columns.
    pub fn new(schema: Arc<Schema>) -> Self {
        RowBatchBuilder { batch: RowBatch::empty(schema) }
    }

    /// Appends the next cell of the current row. Batches stay far below 4 GiB: see [`Self::is_full`].
    pub fn push(&mut self, cell: Cell<'_>) {
        let slot = self.batch.slot(cell);
        self.batch.slots.push(slot);
    }

    /// Appends a wall-clock time as seconds since 1970-01-01 00:00 on the same clock and nanoseconds (0 to 999,999,999);
    /// one that the calendar cannot hold (years -9999 to 9999) becomes [`Cell::Malformed`].
    pub fn push_wall(&mut self, seconds: i64, nanoseconds: u32) {
        let slot = self.batch.wall_slot(seconds, nanoseconds);
        self.batch.slots.push(slot);
    }

    /// Whether the batch has reached its ordinary size: 1,000 rows, 4 MiB of text, or, of very wide rows, 64 Ki cells.
    pub fn is_full(&self) -> bool {
        self.batch.len() >= 1_000 || self.batch.slots.len() >= 1 << 16 || self.batch.arena.len() >= 4 << 20
    }

    /// Whether there is no cell yet.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Gives the rows so far and starts anew.
    pub fn take(&mut self) -> RowBatch {
        let empty = RowBatch::empty(self.batch.schema.clone());
        std::mem::replace(&mut self.batch, empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Column;

    #[test]
    fn a_slot_is_small() {
        assert_eq!(size_of::<Slot>(), 16);
    }

    #[test]
    fn wall_clock_times_return_as_they_were() {
        let schema =
            Arc::new(Schema { columns: vec![Column { name: "at".into(), declared: String::new() }] });
        let mut builder = RowBatchBuilder::new(schema);
        let times: [civil::DateTime; 6] = [
            "2024-02-29T10:00:00.123456789".parse().unwrap(),
            "1969-12-31T23:59:59.5".parse().unwrap(),
            "1970-01-01T00:00:00".parse().unwrap(),
            "0001-01-01T00:00:00.000000001".parse().unwrap(),
            civil::DateTime::MIN,
            civil::DateTime::MAX,
        ];
        for time in times {
            builder.push(Cell::DateTime(time));
        }
        builder.push_wall(-1, 500_000_000);
        builder.push_wall(i64::MAX, 0);
        builder.push_wall(LAST_SECOND, 999_999_999);
        builder.push_wall(FIRST_SECOND, 0);
        builder.push_wall(LAST_SECOND + 1, 0);
        builder.push_wall(FIRST_SECOND - 1, 999_999_999);
        let batch = builder.take();
        let cells: Vec<Cell<'_>> = batch.rows().map(|row| row.cell(0)).collect();
        for (cell, time) in cells.iter().zip(times) {
            assert_eq!(*cell, Cell::DateTime(time));
        }
        assert_eq!(cells[6], Cell::DateTime(times[1]));
        assert!(matches!(cells[7], Cell::Malformed(_)));
        assert_eq!(
            (cells[8], cells[9]),
            (Cell::DateTime(civil::DateTime::MAX), Cell::DateTime(civil::DateTime::MIN))
        );
        assert!(matches!((cells[10], cells[11]), (Cell::Malformed(_), Cell::Malformed(_))));
        let raw = batch.rows().nth(1).map(|row| row.raw(0));
        assert!(matches!(raw, Some(Raw::Wall { seconds: 0, nanoseconds: -500_000_000 })), "{raw:?}");
    }
}
