//! Tests of the room as a whole.

mod damage;
mod details;
mod files;
mod journal;
mod lease;
mod model;
mod pending;
mod portable;
mod quota;
mod runs;
mod scale;
mod support;
mod tags;
mod versions;
