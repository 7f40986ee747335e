//! Rows filled column after column, as columnar formats give them.

use super::{Cell, Layout, MAX_ARENA, MAX_CELL, RowBatch, RowBatchBuilder, Slot, Span};

/// Rows at the end of a batch, or all of one; every cell is null until it is set.
#[derive(Debug)]
pub struct Block<'a> {
    batch: &'a mut RowBatch,
    first: usize,
    rows: usize,
}

impl RowBatchBuilder {
    /// Appends rows to fill in any order of cells; the last row must be complete.
    pub fn block(&mut self, rows: usize) -> Block<'_> {
        let batch = &mut self.batch;
        let (first, columns) = (batch.slots.len(), batch.schema.columns.len());
        batch.slots.resize(first + rows * columns, Slot::Null);
        Block { batch, first, rows }
    }

    /// Makes a batch of these rows, in place of what is there, that is filled fastest column after column; nothing is
    /// appended to it. `bytes` are expected of its long cells.
    pub fn columns(&mut self, rows: usize, bytes: usize) -> Block<'_> {
        drop(self.take());
        let batch = &mut self.batch;
        batch.layout = Layout { rows: 1, columns: rows };
        batch.slots = vec![Slot::Null; rows * batch.schema.columns.len()];
        batch.arena.reserve(bytes);
        Block { batch, first: 0, rows }
    }
}

impl Block<'_> {
    #[inline]
    fn put(&mut self, row: usize, column: usize, slot: Slot) {
        assert!(row < self.rows && column < self.batch.schema.columns.len(), "the block has no such cell");
        let Layout { rows, columns } = self.batch.layout;
        self.batch.slots[self.first + row * rows + column * columns] = slot;
    }

    /// Sets one cell of the block's row; panics beyond its rows or columns.
    #[inline]
    pub fn set(&mut self, row: usize, column: usize, cell: Cell<'_>) {
        let slot = self.batch.slot(cell);
        self.put(row, column, slot);
    }

    /// Sets a wall-clock time, as [`RowBatchBuilder::push_wall`] does.
    #[inline]
    pub fn set_wall(&mut self, row: usize, column: usize, seconds: i64, nanoseconds: u32) {
        let slot = self.batch.wall_slot(seconds, nanoseconds);
        self.put(row, column, slot);
    }

    /// Sets a column's cells from its first row on, `None` for null; those that are not UTF-8 become [`Cell::Malformed`].
    pub fn set_texts<'t>(&mut self, column: usize, texts: impl Iterator<Item = Option<&'t [u8]>>) {
        let (mut slots, arena) = column_of(self.batch, (self.first, self.rows), column);
        let start = arena.len();
        let mut sound = true;
        for (text, slot) in texts.zip(&mut slots) {
            let Some(bytes) = text else { continue };
            let (at, len) = (arena.len(), bytes.len());
            if len > MAX_CELL || at + len > MAX_ARENA {
                let message = format!("a cell of {len} bytes; at most {MAX_CELL} are read");
                arena.extend_from_slice(message.as_bytes());
                *slot = Slot::Span { kind: Span::Malformed, at: at as u32, len: message.len() as u32 };
                continue;
            }
            // Texts one after another are UTF-8 together when none begins amid a character.
            sound &= bytes.first().is_none_or(|byte| byte & 0xc0 != 0x80);
            arena.extend_from_slice(bytes);
            *slot = Slot::Span { kind: Span::Text, at: at as u32, len: len as u32 };
        }
        drop(slots);
        if !sound || std::str::from_utf8(&arena[start..]).is_err() {
            self.mark_malformed(column);
        }
    }

    #[cold]
    fn mark_malformed(&mut self, column: usize) {
        let (slots, arena) = column_of(self.batch, (self.first, self.rows), column);
        for slot in slots {
            let Slot::Span { kind: Span::Text, at, len } = *slot else { continue };
            let Err(error) = std::str::from_utf8(&arena[at as usize..(at + len) as usize]) else { continue };
            let message = format!("invalid UTF-8 at byte {}", error.valid_up_to());
            let at = arena.len();
            arena.extend_from_slice(message.as_bytes());
            *slot = Slot::Span { kind: Span::Malformed, at: at as u32, len: message.len() as u32 };
        }
    }
}

/// A column's slots of these rows, and where long cells go.
fn column_of(
    batch: &mut RowBatch,
    (first, rows): (usize, usize),
    column: usize,
) -> (impl Iterator<Item = &mut Slot>, &mut Vec<u8>) {
    let RowBatch { slots, arena, layout, .. } = batch;
    let slots =
        slots[first..].iter_mut().skip(column * layout.columns).step_by(layout.rows.max(1)).take(rows);
    (slots, arena)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::contract::{Column, Schema};

    fn builder(columns: usize) -> RowBatchBuilder {
        let column = |n| Column { name: format!("c{n}"), declared: String::new() };
        RowBatchBuilder::new(Arc::new(Schema { columns: (0..columns).map(column).collect() }))
    }

    #[test]
    fn columns_meet_in_rows() {
        let mut builder = builder(2);
        builder.push(Cell::Integer(0));
        builder.push(Cell::Text("zero"));
        let mut block = builder.block(3);
        block.set_texts(1, [Some(&b"one"[..]), None, Some("drei €".as_bytes())].into_iter());
        block.set(0, 0, Cell::Integer(1));
        block.set_wall(2, 0, -1, 500_000_000);
        let batch = builder.take();
        let cells: Vec<_> = batch.rows().flat_map(|row| row.cells().collect::<Vec<_>>()).collect();
        assert_eq!(
            cells[1..6],
            [Cell::Text("zero"), Cell::Integer(1), Cell::Text("one"), Cell::Null, Cell::Null]
        );
        let raw = batch.rows().nth(3).map(|row| row.raw(0));
        assert!(
            matches!(raw, Some(crate::contract::Raw::Wall { seconds: 0, nanoseconds: -500_000_000 })),
            "{raw:?}"
        );
        assert_eq!(cells[7], Cell::Text("drei €"));
    }

    /// Row for row what [`columns_meet_in_rows`] says of a block.
    #[test]
    fn a_batch_of_columns_has_the_same_rows() {
        let mut builder = builder(3);
        builder.push(Cell::Text("goes away"));
        let mut block = builder.columns(2, 10);
        block.set_texts(1, [None, Some("zwei €".as_bytes())].into_iter());
        block.set(0, 2, Cell::Integer(1));
        block.set(1, 0, Cell::Bool(true));
        let batch = builder.take();
        let cells: Vec<_> = batch.rows().map(|row| row.cells().collect::<Vec<_>>()).collect();
        let second = vec![Cell::Bool(true), Cell::Text("zwei €"), Cell::Null];
        assert_eq!(cells, [vec![Cell::Null, Cell::Null, Cell::Integer(1)], second]);
        builder.block(1).set(0, 2, Cell::Integer(7));
        let after = builder.take();
        let cells: Vec<_> = after.rows().flat_map(|row| row.cells().collect::<Vec<_>>()).collect();
        assert_eq!(cells, [Cell::Null, Cell::Null, Cell::Integer(7)], "the next batch goes by rows again");
    }

    #[test]
    fn texts_cut_amid_a_character_are_malformed_each_for_itself() {
        let euro = "€".as_bytes();
        let mut builder = builder(1);
        let texts = [Some(&b"ok"[..]), Some(&euro[..1]), Some(&euro[1..]), Some(&b"fine"[..]), Some(&[0xff])];
        builder.block(5).set_texts(0, texts.into_iter());
        let batch = builder.take();
        let cells: Vec<_> = batch.rows().map(|row| row.cell(0)).collect();
        let bad = Cell::Malformed("invalid UTF-8 at byte 0");
        assert_eq!(cells, [Cell::Text("ok"), bad, bad, Cell::Text("fine"), bad]);
    }

    #[test]
    fn a_huge_cell_is_named_and_not_kept() {
        let huge = vec![b'x'; MAX_CELL + 1];
        let mut builder = builder(1);
        builder.block(1).set_texts(0, [Some(&huge[..])].into_iter());
        builder.push(Cell::Bytes(&huge));
        let batch = builder.take();
        assert!(batch.rows().all(|row| matches!(row.cell(0), Cell::Malformed(_))));
        assert!(batch.arena_bytes() < 1000);
    }
}
