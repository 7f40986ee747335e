//! In which order the phases of a plan follow one another. Pure.

use outflow_connectors::contract::Verb;

use super::planned::{Item, Purpose};
use super::waits::Waits;

/// Stage, wave, verb: phases follow one another in this order.
pub type Rank = (u8, usize, u8);

/// Replaced objects go first, then records wave by wave, removals last.
pub fn rank(waits: &Waits, item: &Item) -> Rank {
    let (stage, _, verb) = rank_of(item.purpose, item.verb);
    (stage, waits.depth(&item.key), verb)
}

/// The rank of changes that wait for none.
pub fn rank_of(purpose: Purpose, verb: Verb) -> Rank {
    (stage(purpose), 0, verb_rank(verb))
}

fn stage(purpose: Purpose) -> u8 {
    match purpose {
        Purpose::Replace => 0,
        Purpose::Deliver => 1,
        Purpose::Clear => 2,
        Purpose::Remove => 3,
    }
}

fn verb_rank(verb: Verb) -> u8 {
    match verb {
        Verb::Update => 0,
        Verb::Upsert | Verb::Join => 1,
        Verb::Create => 2,
        Verb::Delete | Verb::Leave => 3,
    }
}
