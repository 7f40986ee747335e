//! Which objects of a batch are to be linked to which others. Pure.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value as Json;

use crate::contract::{Outcome, Outcomes};
use crate::http::json::{list, text};

/// What one change of a batch names for one link.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    pub(super) place: usize,
    /// Position among the session's links.
    pub(super) link: usize,
    /// The other objects: keys, and once resolved record ids.
    pub(super) ids: Vec<String>,
}

/// The links of one batch.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    pub(super) wanted: Vec<Wanted>,
    /// Changes that must not be sent, by place.
    refused: HashMap<usize, Outcome>,
}

impl Prepared {
    /// What keeps a change from being sent.
    pub(super) fn refusal(&self, place: usize) -> Option<&Outcome> {
        self.refused.get(&place)
    }

    /// All keys of one link, once each.
    pub(super) fn keys(&self, link: usize) -> BTreeSet<String> {
        self.wanted
            .iter()
            .filter(|wanted| wanted.link == link)
            .flat_map(|wanted| wanted.ids.clone())
            .collect()
    }

    /// Puts record ids in place of one link's keys. A change of which one is not known is refused.
    pub(super) fn resolve(&mut self, link: usize, id_of: impl Fn(&str) -> Result<String, Outcome>) {
        for wanted in self.wanted.iter_mut().filter(|wanted| wanted.link == link) {
            match wanted.ids.iter().map(|key| id_of(key)).collect() {
                Ok(ids) => wanted.ids = ids,
                Err(outcome) => {
                    self.refused.entry(wanted.place).or_insert(outcome);
                }
            }
        }
    }
}

/// One link of the objects of a batch that were written.
pub(super) struct Made<'a> {
    /// Record id of the object, its place, and the other objects.
    objects: Vec<(String, usize, &'a [String])>,
    wanted: BTreeSet<(&'a str, String)>,
}

impl<'a> Made<'a> {
    pub(super) fn of(prepared: &'a Prepared, link: usize, outcomes: &Outcomes) -> Self {
        let written = |place: usize| match outcomes.get(place) {
            Some(Outcome::Applied { remote_id: Some(id), .. }) => Some(id.clone()),
            _ => None,
        };
        let objects: Vec<_> = prepared
            .wanted
            .iter()
            .filter(|wanted| wanted.link == link)
            .filter_map(|wanted| Some((written(wanted.place)?, wanted.place, &wanted.ids[..])))
            .collect();
        let wanted = objects
            .iter()
            .flat_map(|(from, _, to)| to.iter().map(|to| (to.as_str(), from.clone())))
            .collect();
        Made { objects, wanted }
    }

    /// Record ids of both sides, once each.
    pub(super) fn pairs(&self) -> Vec<(&str, &str)> {
        self.wanted.iter().map(|(to, from)| (from.as_str(), *to)).collect()
    }

    pub(super) fn objects(&self) -> Vec<&str> {
        self.objects.iter().map(|(id, ..)| id.as_str()).collect()
    }

    pub(super) fn wants(&self, from: &str, to: &str) -> bool {
        self.wanted.contains(&(to, from.to_owned()))
    }

    /// Places of the objects among these, each with the first reason.
    pub(super) fn failed<'b>(&self, failed: &'b [(String, String)]) -> Vec<(usize, &'b str)> {
        let reason = |id: &String| failed.iter().find(|(of, _)| of == id).map(|(_, why)| why.as_str());
        self.objects.iter().filter_map(|(id, place, _)| Some((*place, reason(id)?))).collect()
    }
}

/// The objects of these pairs whose link an answer does not confirm, and why.
pub(super) fn unconfirmed(pairs: &[(&str, &str)], answer: &Json) -> Vec<(String, String)> {
    let confirmed: BTreeSet<(String, String)> = list(answer, "results").filter_map(pair).collect();
    let missing =
        pairs.iter().filter(|(from, to)| !confirmed.contains(&((*from).to_owned(), (*to).to_owned())));
    let reason = |from: &str, to: &str| {
        let names = |error: &&Json| {
            let context = error.get("context").map(Json::to_string).unwrap_or_default();
            [from, to].iter().any(|id| context.contains(&format!("\"{id}\"")))
        };
        let errors = || list(answer, "errors");
        let error = errors().find(names).or_else(|| errors().next());
        error
            .and_then(|error| text(error, "message"))
            .unwrap_or_else(|| "HubSpot's answer does not confirm it".to_owned())
    };
    missing.map(|(from, to)| ((*from).to_owned(), reason(from, to))).collect()
}

/// The two calls name the objects of a link each in its own way.
fn pair(result: &Json) -> Option<(String, String)> {
    let id = |nested: &str, flat: &str| {
        result.get(nested).and_then(|object| text(object, "id")).or_else(|| text(result, flat))
    };
    Some((id("from", "fromObjectId")?, id("to", "toObjectId")?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(place: usize, ids: &[&str]) -> Wanted {
        Wanted { place, link: 0, ids: ids.iter().map(|id| (*id).to_owned()).collect() }
    }

    fn applied(id: &str) -> Outcome {
        Outcome::Applied { remote_id: Some(id.to_owned()), created: None }
    }

    #[test]
    fn a_change_with_an_unknown_key_is_refused_and_the_others_are_not() {
        let all = vec![wanted(0, &["acme"]), wanted(1, &["acme", "gone"]), wanted(2, &[])];
        let mut prepared = Prepared { wanted: all, ..Prepared::default() };
        assert_eq!(prepared.keys(0), BTreeSet::from(["acme".to_owned(), "gone".to_owned()]));
        assert!(prepared.keys(1).is_empty());
        let missing = || Outcome::Deferred { reason: "no".into() };
        prepared.resolve(0, |key| if key == "acme" { Ok("7".into()) } else { Err(missing()) });
        assert_eq!([0, 1, 2].map(|place| prepared.refusal(place).is_some()), [false, true, false]);
        assert_eq!(prepared.wanted[0].ids, ["7"]);
    }

    #[test]
    fn only_what_was_written_is_linked() {
        let all = vec![wanted(0, &["7", "8"]), wanted(1, &["7"]), wanted(2, &["7"])];
        let prepared = Prepared { wanted: all, ..Prepared::default() };
        let mut outcomes = Outcomes::new(3);
        let unknown = Outcome::Unknown { reason: "lost".into() };
        for (place, outcome) in [applied("1"), unknown, applied("3")].into_iter().enumerate() {
            outcomes.set(place, outcome);
        }
        let made = Made::of(&prepared, 0, &outcomes);
        assert_eq!(made.objects(), ["1", "3"]);
        let mut pairs = made.pairs();
        pairs.sort_unstable();
        assert_eq!(pairs, [("1", "7"), ("1", "8"), ("3", "7")]);
        assert!(made.wants("1", "8") && !made.wants("3", "8") && !made.wants("2", "7"));
        assert_eq!(made.failed(&[("3".to_owned(), "why".to_owned())]), [(2, "why")]);
    }

    /// The answers of `batch/create` and of `batch/associate/default`, as the vendor's own client types them.
    #[test]
    fn a_link_is_made_only_where_the_answer_names_both_ends() {
        let pairs = [("1", "7"), ("2", "7"), ("3", "8")];
        let answer = json!({
            "status": "COMPLETE",
            "results": [
                {"fromObjectTypeId": "0-1", "fromObjectId": 1, "toObjectTypeId": "0-2", "toObjectId": 7, "labels": []},
                {"from": {"id": "9"}, "to": {"id": "7"}, "associationSpec": {}},
            ],
            "errors": [
                {"status": "error", "message": "another", "context": {"fromObjectId": ["99"]}},
                {"status": "error", "message": "no such company", "context": {"toObjectId": ["8"]}},
            ],
        });
        let failed = unconfirmed(&pairs, &answer);
        assert_eq!(
            failed,
            [("2".to_owned(), "another".to_owned()), ("3".to_owned(), "no such company".to_owned())]
        );
        let none = unconfirmed(&pairs[..1], &json!({}));
        assert_eq!(none, [("1".to_owned(), "HubSpot's answer does not confirm it".to_owned())]);
        let default = json!({"results": [{"from": {"id": "1"}, "to": {"id": "7"}}]});
        assert_eq!(unconfirmed(&pairs[..1], &default), []);
    }
}
