//! What Parquet takes at most, counted beforehand: what a page comes to is known when it is there, and too late.

use super::columns::Codec;
use crate::files::write::layout::Column;
use crate::split::{Limits, Splitter};

/// The marks at both ends, the length of the footer, and what the footer says of the file.
const FILE: u64 = 256;
/// What the footer's schema says of a column beside its name.
const SCHEMA: u64 = 80;
/// What the footer says of a row group.
const GROUP: u64 = 64;
/// What it says of a column in it beside the name: places, sizes, encodings, the least and the largest value.
const CHUNK: u64 = 512;
/// Pages that a column has in a row group however few its rows are: one of the dictionary, one of what it encodes, one of what
/// came after it was full. Each has a header, the lengths of its parts, and what a codec puts around it.
const PAGES: u64 = 3 * 128;
/// Beside a value: its place in the dictionary, its bit that tells it from a null, its share of a page's frame.
const VALUE: u64 = 6;

/// Most bytes of a value whose plain form has so many.
pub(super) fn value(plain: u64) -> u64 {
    VALUE + plain + plain / 1024
}

/// Most bytes that the pages of so many come to: Snappy promises no more than this
/// (<https://github.com/google/snappy/blob/main/snappy.cc>, `MaxCompressedLength`), and the others need less.
pub(super) fn packed(bytes: u64, codec: Codec) -> u64 {
    if codec == Codec::None { bytes } else { bytes + bytes / 6 + 1 }
}

/// What the footer says of row groups, at most.
pub(super) fn footer(columns: &[Column], groups: u64) -> u64 {
    groups * (GROUP + over(columns, CHUNK))
}

/// What a file takes at most beside its rows: the footer, and the frames of the pages of one row group.
pub(in crate::files::write) fn blank(columns: &[Column]) -> u64 {
    FILE + over(columns, SCHEMA) + footer(columns, 1) + columns.len() as u64 * PAGES
}

/// Counts for a file without a row.
pub(super) fn splitter(limits: Limits, columns: &[Column]) -> Splitter {
    Splitter::new(limits, blank(columns))
}

fn over(columns: &[Column], each: u64) -> u64 {
    columns.iter().map(|column| column.name.len() as u64 + each).sum()
}
