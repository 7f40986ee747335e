//! Delta x Rules -> Plan: what will be sent, in which order, and what is left alone and why. Pure; a preview stops here.

mod claims;
mod examples;
mod guards;
mod narrow;
mod planned;
mod planner;
mod rank;
mod stranded;
mod waits;

pub use examples::with_examples;
pub use guards::{Volume, judge};
pub use narrow::is_known;
pub use planned::{
    Farewell, HeldRow, Item, Items, Phase, Plan, Purpose, Rules, is_absent, object_of, of_head, record,
    removal,
};
pub use planner::{HELD, UNCLEAR, plan};
