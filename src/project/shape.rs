//! What may stand where: one description from which both the check of a file and its JSON Schema come.

/// What a value must look like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Text,
    /// A name that can be part of a file name: letters, digits, `_`, `-` and inner dots.
    Name,
    /// A whole number of at least this.
    Integer(u64),
    Bool,
    /// Requests a day; a percent of the vendor's limit is known, but not built yet.
    Calls,
    /// One of these words.
    Word(&'static [&'static str]),
    Duration,
    Rate,
    Size,
    /// A percent or a number of rows.
    Bound,
    TimeOfDay,
    TimeZone,
    /// From a time of day to another one, with a time zone.
    Window,
    /// What can stand between the fields of CSV.
    Delimiter,
    /// Anything but nothing.
    Any,
    /// One item may stand without its list.
    OneOrMore(&'static Shape),
    List(&'static Shape),
    /// Keys of the user's choice.
    Map(&'static Shape),
    Block(&'static [Key]),
    /// The common keys of a connection; its settings are its connector's.
    Connection,
    /// As `Connection`, with nothing required: it is laid over another.
    ConnectionOverlay,
    /// What an emulated account has; judged by the emulator itself.
    Sandbox,
    /// The common keys of a destination; its options are its connector's.
    Destination,
    /// A block with exactly one of these keys.
    Tagged(&'static [Key]),
    /// A block in which exactly one of the named keys stands.
    Choice(&'static [Key], &'static [&'static str]),
    /// A text, or a block of this shape.
    TextOr(&'static Shape),
    /// Known, but not built yet.
    Unsupported,
}

/// One key of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub name: &'static str,
    pub shape: Shape,
    pub required: bool,
    /// For editors, and for the reference.
    pub help: &'static str,
}

pub(super) const fn key(name: &'static str, shape: Shape, help: &'static str) -> Key {
    Key { name, shape, required: false, help }
}

pub(super) const fn required(name: &'static str, shape: Shape, help: &'static str) -> Key {
    Key { name, shape, required: true, help }
}

const fn later(name: &'static str) -> Key {
    Key { name, shape: Shape::Unsupported, required: false, help: "Not supported by this version yet." }
}

pub(super) const MODES: &[&str] = &["upsert", "update", "insert", "mirror", "audience"];
pub(super) const ON_DELETE: &[&str] = &["ignore", "delete", "archive", "clear"];
pub(super) const FIELD_TYPES: &[&str] =
    &["string", "number", "integer", "boolean", "date", "datetime", "json", "list"];

/// `outflow.yml`.
pub(super) const PROJECT: Shape = Shape::Block(&[
    required("name", Shape::Name, "The project's name."),
    key("state", Shape::Text, "The state folder, relative to this file; `.outflow` unless set."),
    key(
        "spool_max",
        Shape::Size,
        "Most disk space that one run's changes may take while they wait; `50GB` unless set.",
    ),
    key(
        "spool_memory",
        Shape::Size,
        "Memory for each list of a run before it goes on on disk; `32MB` unless set.",
    ),
    key("vars", VARS, "Values for the models: `{{ var('country') }}`. `--vars country=JP` goes before them."),
    key(
        "dbt",
        Shape::Block(&[key(
            "manifest",
            Shape::Text,
            "dbt's manifest, relative to this file; `target/manifest.json` unless set.",
        )]),
        "The dbt project whose models `source.dbt` names.",
    ),
    required(
        "connections",
        Shape::Map(&Shape::Connection),
        "The systems to read from and to write to, by a name of yours.",
    ),
    key("targets", Shape::Map(&TARGET), "Overlays chosen with `--target NAME`."),
    later("notifications"),
    later("policies"),
]);

const VARS: Shape = Shape::Map(&Shape::Any);

/// What may be laid over `outflow.yml`.
pub(super) const TARGET: Shape = Shape::Block(&[
    key("state", Shape::Text, "The state folder of this target."),
    key("vars", VARS, "Values for the models."),
    key(
        "connections",
        Shape::Map(&Shape::ConnectionOverlay),
        "Settings laid over those of the same connection.",
    ),
]);

/// Keys every connection takes; the others are the connector's settings.
pub(super) const CONNECTION_KEYS: &[Key] = &[
    required("type", Shape::Text, "The system; `outflow connectors` lists them."),
    key("base_url", Shape::Text, "Another host, or `sandbox` for the built-in emulator."),
    key("limits", LIMITS, "How much of the vendor's limits to use."),
    key("sandbox", Shape::Sandbox, "What the emulated account has, and how it misbehaves."),
];

const LIMITS: Shape = Shape::Block(&[
    key("requests", Shape::Rate, "Requests in any window, as in `190/10s`."),
    key(
        "daily_calls",
        Shape::Calls,
        "Requests a day: a number, or a share of the vendor's own limit as in `30%`.",
    ),
    key("concurrency", Shape::Integer(1), "Requests in flight at once."),
    key("shared", Shape::Text, "A file that several projects on this machine share these limits by."),
]);

/// A file under `mappings/`.
pub(super) const MAPPING: Shape = Shape::Block(&[
    key("sync", Shape::Name, "The sync's name; the file's stem unless set."),
    key("owner", Shape::Text, "Who answers for it."),
    key("tags", Shape::OneOrMore(&Shape::Text), "For `--select tag:NAME`."),
    required("source", super::source::SHAPE, "What to read."),
    required("destination", Shape::Destination, "Where to write."),
    key("mode", Shape::Word(MODES), "What happens to rows; `upsert` unless set. `mirror` also deletes."),
    key(
        "on_delete",
        Shape::Word(ON_DELETE),
        "What happens to an object whose row vanished; `ignore` unless set.",
    ),
    key(
        "delete_scope",
        Shape::Word(&["delivered", "created"]),
        "Which objects may be deleted: all delivered by this sync, or only those it created.",
    ),
    key(
        "on_duplicate_key",
        Shape::Word(&["fail", "first", "last", "reject"]),
        "What happens to rows that share a key; `fail` unless set.",
    ),
    key(
        "on_match_change",
        Shape::Word(&["update", "replace", "hold"]),
        "What happens when a row's match key changes; `update` unless set.",
    ),
    key(
        "max_attempts",
        Shape::Integer(1),
        "Deliveries of a rejected row before it is parked; 10 unless set.",
    ),
    key(
        "ledger",
        Shape::Block(&[key(
            "keep",
            Shape::Word(&["hashes", "fields", "values"]),
            "How much is kept of a delivered record; `fields` unless set.",
        )]),
        "What the ledger keeps.",
    ),
    key("fields", Shape::Map(&Shape::TextOr(&FIELD)), "Destination field: source column, or a block."),
    key("tests", Shape::List(&Shape::Tagged(TEST_KEYS)), "Tests of the data, before anything is sent."),
    key("guards", GUARDS, "Bounds on what one run may change."),
    key("delivery", DELIVERY, "How records are sent."),
    key("depends_on", Shape::OneOrMore(&Shape::Text), "Syncs that must have succeeded first."),
    key("sla", SLA, "When data must have arrived."),
    key("associations", Shape::List(&ASSOCIATION), "Links of each object to objects of another type."),
    key(
        "deliver_within",
        Shape::Duration,
        "Within what time of its beginning a run is to have delivered; it says so where it cannot, and when it falls behind.",
    ),
    key(
        "window",
        Shape::Window,
        "Hours in which is sent, as in `08:00-21:00 Asia/Tokyo`; outside of them the sync is held.",
    ),
    key(
        "priority",
        Shape::Text,
        "A column, or an SQL expression over the query's columns: rows with the highest value are sent first.",
    ),
]);

pub(super) const DESTINATION_KEYS: &[Key] = &[
    required("connection", Shape::Text, "A connection of `outflow.yml`."),
    required("object", Shape::Text, "What is written: `contacts`, `companies`, ..."),
    key(
        "match_on",
        Shape::Map(&Shape::Text),
        "Destination field: source column; how a row finds its object.",
    ),
];

/// Keys of `destination` that some connector takes; which ones is each connector's matter.
pub(super) const DESTINATION_OPTIONS: &[&str] = &[
    "api",
    "list",
    "lists",
    "create_missing_properties",
    "on_conflict",
    "format",
    "compression",
    "delimiter",
    "encoding",
    "name",
    "max_bytes",
    "max_rows",
    "partition_by",
];

const FIELD: Shape = Shape::Choice(
    &[
        key("column", Shape::Text, "The source column."),
        key("template", Shape::Text, "A Jinja template over the row's columns."),
        key("value", Shape::Any, "The same value for every row."),
        key("type", Shape::Word(FIELD_TYPES), "The field's type; the destination's own unless set."),
        key("scale", Shape::Integer(0), "Digits after the point of a number."),
        key("on_null", Shape::Word(&["clear", "skip", "error"]), "What a null does; `clear` unless set."),
        key("diff", Shape::Bool, "`false`: sent along, but never by itself a change."),
        key("set", Shape::Bool, "`true`: a list whose order does not matter."),
    ],
    &["column", "template", "value"],
);

const ASSOCIATION: Shape = Shape::Choice(
    &[
        required("to", Shape::Text, "The other objects' type: `companies`, a type id."),
        key(
            "match_on",
            Shape::Map(&Shape::Text),
            "The other objects' property with unique values: source column.",
        ),
        key("id", Shape::Text, "The source column of the other objects' record ids."),
        key("label", Shape::Text, "The link's name in the account; the ordinary link unless set."),
        key("type", Shape::Integer(1), "The link's number, instead of `label`."),
        key("many", Shape::Bool, "`true`: the column holds a JSON list."),
        key("on_null", Shape::Word(&["clear", "skip", "error"]), "What a null does; `clear` unless set."),
    ],
    &["match_on", "id"],
);

const TEST_KEYS: &[Key] = &[
    key("unique", Shape::Text, "No two rows share this column's value."),
    key("not_null", Shape::OneOrMore(&Shape::Text), "These columns are never null."),
    key(
        "freshness",
        Shape::Block(&[
            required("column", Shape::Text, "A column of dates or times."),
            required("max_age", Shape::Duration, "How old the newest may be, as in `24h`."),
        ]),
        "The newest row is recent.",
    ),
];

const GUARDS: Shape = Shape::Block(&[
    key("max_change", Shape::Bound, "Adds and changes, as a share of what was delivered, or a count."),
    key("max_delete", Shape::Bound, "Removals; `10%` unless set."),
    key("min_rows", Shape::Integer(0), "Fewest rows that the source must give; 1 unless set."),
    key("key_change", Shape::Bool, "Hold when the keys' form seems to have changed; on unless `false`."),
    key("max_rejected", Shape::Bound, "Stop when this many records are refused."),
]);

const DELIVERY: Shape = Shape::Block(&[
    key("batch_rows", Shape::Integer(1), "Most records in a request."),
    key("batch_bytes", Shape::Size, "Most bytes in a request, as in `4MB`."),
    key("concurrency", Shape::Integer(1), "Most requests in flight."),
    key("rate", Shape::Rate, "Requests of this sync, as in `15/s`."),
    key(
        "start",
        Shape::Word(&["complete", "streaming"]),
        "When sending starts: once all rows were read and judged, or while they are read.",
    ),
    key(
        "send",
        Shape::Word(&["all", "changed"]),
        "What of a changed record is sent, where it is known what the object holds; `all` unless set, but `changed` where each \
         field that is written costs (Braze).",
    ),
]);

const SLA: Shape = Shape::Block(&[
    key("finish_by", Shape::TimeOfDay, "Time of day by which a run must have succeeded, as in `\"08:00\"`."),
    key("timezone", Shape::TimeZone, "Its zone; UTC unless set."),
    key("max_age", Shape::Duration, "Longest time since the last success, as in `2h`."),
]);

#[cfg(test)]
mod tests {
    use outflow_connectors::contract::FieldType;
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::project::{
        DeleteScope, Extent, Keep, Mode, OnDelete, OnDuplicateKey, OnMatchChange, OnNull, Start,
    };

    fn words(path: &[&str]) -> &'static [&'static str] {
        let mut shape = MAPPING;
        for name in path {
            shape = match shape {
                Shape::Block(keys) | Shape::Choice(keys, _) => {
                    keys.iter().find(|k| k.name == *name).unwrap().shape
                }
                Shape::Map(Shape::TextOr(inner)) => match **inner {
                    Shape::Choice(keys, _) => keys.iter().find(|k| k.name == *name).unwrap().shape,
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            };
        }
        match shape {
            Shape::Word(words) => words,
            other => panic!("{other:?}"),
        }
    }

    fn all_parse<T: DeserializeOwned>(path: &[&str]) {
        for word in words(path) {
            assert!(serde_json::from_value::<T>((*word).into()).is_ok(), "{path:?} {word}");
        }
    }

    /// A word that a file may use is a value that the engine has.
    #[test]
    fn every_word_has_its_value() {
        all_parse::<Mode>(&["mode"]);
        all_parse::<OnDelete>(&["on_delete"]);
        all_parse::<DeleteScope>(&["delete_scope"]);
        all_parse::<OnDuplicateKey>(&["on_duplicate_key"]);
        all_parse::<OnMatchChange>(&["on_match_change"]);
        all_parse::<Extent>(&["delivery", "send"]);
        all_parse::<Start>(&["delivery", "start"]);
        all_parse::<Keep>(&["ledger", "keep"]);
        all_parse::<OnNull>(&["fields", "on_null"]);
        all_parse::<FieldType>(&["fields", "type"]);
        assert_eq!(words(&["fields", "type"]), FieldType::ALL.map(FieldType::name));
    }
}
