//! Which requests a batch takes, and which windows they have.

use super::client::{
    CREATES, DELETIONS, IMPORTS, JOINS, LEAVES, SUBSCRIPTIONS, SUPPRESSIONS, UPDATES, UPSERTS,
};
use super::import::PROFILES;
use super::members::MEMBERS;
use super::options::{Deletion, Options};
use super::removal::ADDRESSES;
use super::session::is_much;
use crate::contract::{Calls, Load, Verb};

/// Of rows that empty nothing; who has to be subscribed is taken for not subscribed yet.
pub(super) fn of(options: &Options, Load { verb, rows, .. }: Load) -> Vec<Calls> {
    let imports = verb == Verb::Upsert && is_much(options.api, usize::try_from(rows).unwrap_or(usize::MAX));
    let own = match verb {
        Verb::Upsert if imports => Calls::of(rows, PROFILES).within(IMPORTS),
        Verb::Upsert => Calls::of(rows, 1).within(UPSERTS),
        Verb::Create => Calls::of(rows, 1).within(CREATES),
        Verb::Update => Calls::of(rows, 1).within(UPDATES),
        Verb::Delete if options.deletion == Deletion::Suppress => {
            Calls::of(rows, ADDRESSES).within(SUPPRESSIONS)
        }
        Verb::Delete => Calls::of(rows, 1).within(DELETIONS),
        Verb::Join if options.subscribe => Calls::of(rows, MEMBERS).within(SUBSCRIPTIONS),
        Verb::Join => Calls::of(rows, MEMBERS).within(JOINS),
        Verb::Leave => Calls::of(rows, MEMBERS).within(LEAVES),
    };
    // An import names the list itself.
    let is_listed = matches!(verb, Verb::Create | Verb::Upsert | Verb::Update) && !imports;
    let list = (is_listed && options.list.is_some()).then(|| Calls::of(rows, MEMBERS).within(JOINS));
    [own].into_iter().chain(list).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_one_by_one_takes_a_request_for_each_row() {
        let options = Options { list: Some("L1".to_owned()), ..Options::usual() };
        let of = |verb, rows| -> Vec<(u64, &'static str)> {
            let calls = of(&options, Load { verb, rows, known: 0 });
            calls.iter().map(|calls| (calls.requests, calls.narrow.unwrap().name)).collect()
        };
        assert_eq!(of(Verb::Upsert, 50), [(50, "profiles upserted"), (1, "members added")]);
        assert_eq!(of(Verb::Upsert, 10_000), [(1, "imports begun")]);
        assert_eq!(of(Verb::Update, 1_001), [(1_001, "profiles updated"), (2, "members added")]);
        assert_eq!(of(Verb::Delete, 30), [(30, "deletions")]);
        assert_eq!(of(Verb::Leave, 50), [(1, "members removed")]);
    }
}
