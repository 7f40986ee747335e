//! Delta x Rules -> Plan: what will be sent, in which order, and what is left alone and why. Pure; a preview stops here.

mod claims;
mod examples;
mod guards;
mod planned;
mod planner;
mod waits;

pub use examples::with_examples;
pub use guards::{Volume, judge};
pub use planned::{Farewell, HeldRow, Item, Items, Phase, Plan, Purpose, Rules, of_head, record, removal};
pub use planner::plan;
