//! Tests of the room as a whole.

mod journal;
mod support;
