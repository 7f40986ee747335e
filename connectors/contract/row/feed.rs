//! Cells as a hasher takes them.

use std::hash::Hasher;

use super::{Row, RowBatch, Slot, Span};

impl RowBatch {
    /// Feeds each hasher its row's cell of a column, as [`Row::feed`] does; the first is that of row `first`. Columns that
    /// stand together are read fastest so.
    #[inline]
    pub fn feed<H: Hasher>(&self, column: usize, first: usize, hashers: &mut [H]) {
        for (row, hasher) in (first..self.len()).zip(hashers) {
            Row { batch: self, first: row * self.layout.rows }.feed(column, hasher);
        }
    }
}

impl Row<'_> {
    /// Feeds a hasher the cell as it is stored, at less cost than [`Self::cell`]: first what says how it goes on, so that
    /// no cells are fed as others are.
    #[inline]
    pub fn feed(&self, column: usize, hasher: &mut impl Hasher) {
        let mut one = |kind: u8, more: u32, value: u64| {
            hasher.write_u128(u128::from(kind) << 96 | u128::from(more) << 64 | u128::from(value));
        };
        match self.slot(column) {
            Slot::Null => one(0, 0, 0),
            Slot::Bool(value) => one(1, 0, u64::from(value)),
            Slot::Integer(value) => one(2, 0, value as u64),
            Slot::Float(value) => one(3, 0, value.to_bits()),
            Slot::Date(date) => {
                let day = (date.month() as u32) << 8 | date.day() as u32;
                one(4, day, date.year() as u64);
            }
            Slot::Instant { seconds, nanoseconds } => one(5, nanoseconds as u32, seconds as u64),
            Slot::Wall { seconds, nanoseconds } => one(6, nanoseconds as u32, seconds as u64),
            Slot::Decimal { at, scale } => {
                one(7, u32::from(scale), 0);
                hasher.write(&self.batch.arena[at as usize..at as usize + 16]);
            }
            Slot::Span { kind, at, len } => {
                match kind {
                    Span::Text => {} // most cells are: the length, which the bytes begin with, says it
                    Span::Bytes => one(8, 0, 0),
                    Span::Json => one(9, 0, 0),
                    Span::List => one(10, 0, 0),
                    Span::Malformed => one(11, 0, 0),
                }
                hasher.write(&self.batch.arena[at as usize..(at + len) as usize]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::{Timestamp, civil};

    use super::*;
    use crate::contract::{Cell, Column, RowBatchBuilder, Schema};

    /// Everything that was fed, one call after the other.
    #[derive(Clone, Default, PartialEq, Debug)]
    struct Fed(Vec<Vec<u8>>);

    impl Hasher for Fed {
        fn write(&mut self, bytes: &[u8]) {
            self.0.push(bytes.to_vec());
        }

        fn write_u128(&mut self, number: u128) {
            // Marked, since a text may have the same bytes.
            self.0.push([&b"number"[..], &number.to_be_bytes()].concat());
        }

        fn finish(&self) -> u64 {
            0
        }
    }

    fn cells() -> Vec<Cell<'static>> {
        let date = civil::date(2026, 1, 2);
        let later = |nanoseconds| Timestamp::new(1, nanoseconds).unwrap();
        vec![
            Cell::Null,
            Cell::Bool(false),
            Cell::Bool(true),
            Cell::Integer(0),
            Cell::Integer(1),
            Cell::Integer(-1),
            Cell::Float(0.0),
            Cell::Float(-0.0),
            Cell::Float(1.0),
            Cell::Decimal { digits: 1, scale: 0 },
            Cell::Decimal { digits: 1, scale: 1 },
            Cell::Decimal { digits: 10, scale: 1 },
            Cell::Date(date),
            Cell::Date(civil::date(2026, 2, 1)),
            Cell::Date(civil::date(-2026, 1, 2)),
            Cell::Timestamp(later(0)),
            Cell::Timestamp(later(1)),
            Cell::DateTime(date.at(0, 0, 0, 0)),
            Cell::DateTime(date.at(0, 0, 0, 1)),
            Cell::Text(""),
            Cell::Text("1"),
            Cell::Text("11"),
            Cell::Bytes(b"1"),
            Cell::Json("1"),
            Cell::List("1"),
            Cell::Malformed("1"),
        ]
    }

    fn batch(cells: &[Cell<'_>], by_columns: bool) -> RowBatch {
        let column = |n| Column { name: format!("c{n}"), declared: String::new() };
        let mut builder = RowBatchBuilder::new(Arc::new(Schema { columns: (0..2).map(column).collect() }));
        let rows = cells.len();
        let mut block = if by_columns { builder.columns(rows, 0) } else { builder.block(rows) };
        for (row, cell) in cells.iter().enumerate() {
            block.set(row, 0, *cell);
            block.set(rows - 1 - row, 1, *cell);
        }
        builder.take()
    }

    #[test]
    fn no_cell_is_fed_as_another_or_as_the_beginning_of_another() {
        let cells = cells();
        let fed: Vec<Fed> = batch(&cells, false)
            .rows()
            .map(|row| {
                let mut fed = Fed::default();
                row.feed(0, &mut fed);
                fed
            })
            .collect();
        for (at, one) in fed.iter().enumerate() {
            for (other, another) in fed.iter().enumerate().filter(|(other, _)| *other != at) {
                assert!(!another.0.starts_with(&one.0), "{:?} and {:?}", cells[at], cells[other]);
            }
        }
    }

    #[test]
    fn a_block_of_rows_is_fed_as_each_row_is() {
        for by_columns in [false, true] {
            let batch = batch(&cells(), by_columns);
            let mut hashers = vec![Fed::default(); 7];
            batch.feed(1, 5, &mut hashers);
            batch.feed(0, 5, &mut hashers);
            for (row, fed) in batch.rows().skip(5).zip(hashers) {
                let mut alone = Fed::default();
                row.feed(1, &mut alone);
                row.feed(0, &mut alone);
                assert_eq!(fed, alone);
            }
        }
    }
}
