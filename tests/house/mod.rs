//! The rules of the house: who may know whom, how large a thing may grow, and that nothing is added by half.
//! Each rule is itself shown to fail on a bad sample.

mod bans;
mod bench;
mod codes;
mod connectors;
mod docs;
mod mappings;
mod readme;
mod rooms;
mod rust;
mod session;
mod sizes;
mod tree;
mod words;
