//! Data tests over the whole extract, judged before anything is sent. Pure.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use outflow_connectors::contract::{Cell, FieldType, RowBatch, Schema, Value};

use crate::error::{Error, ErrorKind};
use crate::project::{ColumnTest, DataTest};
use crate::transform::canonical::encode_key;
use crate::transform::encode::key_value;
use crate::transform::{self, Conversion};

/// The tests of one mapping, fed row by row.
pub struct DataTests {
    running: Vec<Running>,
    /// Not all rows are read.
    part: bool,
}

struct Running {
    column: usize,
    test: ColumnTest,
    state: State,
}

enum State {
    Unique(Unique),
    NotNull { nulls: u64 },
    Freshness { max_age: Duration, newest: Option<Timestamp>, reader: Conversion },
}

impl DataTests {
    /// # Errors
    /// One for each column that the query does not have.
    pub fn bind(tests: &[DataTest], schema: &Schema, timezone: Option<TimeZone>) -> Result<Self, Vec<Error>> {
        let mut running = Vec::new();
        let mut errors = Vec::new();
        let mut add = |test: &ColumnTest, state: State| match schema.position(&test.column) {
            Some(column) => running.push(Running { column, test: test.clone(), state }),
            None => errors.push(no_column(test)),
        };
        for test in tests {
            match test {
                DataTest::Unique(column) => add(column, State::Unique(Unique::default())),
                DataTest::NotNull(columns) => {
                    columns.iter().for_each(|c| add(c, State::NotNull { nulls: 0 }))
                }
                DataTest::Freshness { column, max_age } => {
                    let reader = Conversion {
                        kind: FieldType::DateTime,
                        scale: None,
                        timezone: timezone.clone(),
                        set: false,
                        options: Vec::new(),
                        multiple: false,
                        max_length: None,
                        kept: None,
                        reserved: &[],
                    };
                    add(column, State::Freshness { max_age: *max_age, newest: None, reader });
                }
            }
        }
        if errors.is_empty() { Ok(DataTests { running, part: false }) } else { Err(errors) }
    }

    /// Only the rows from a mark of this column on are read: how new another column's values are they do not tell, and that
    /// there are none says nothing.
    pub fn only_part(&mut self, cursor: &str) {
        self.part = true;
        let fits = |running: &Running| {
            !matches!(running.state, State::Freshness { .. }) || running.test.column == cursor
        };
        self.running.retain(fits);
    }

    /// Positions of the columns that the tests look at.
    pub fn columns(&self) -> impl Iterator<Item = usize> {
        self.running.iter().map(|running| running.column)
    }

    pub fn observe(&mut self, batch: &RowBatch) {
        for running in &mut self.running {
            batch.rows().for_each(|row| running.state.observe(row.cell(running.column)));
        }
    }

    /// What the rows failed, in the order of the mapping; `now` judges freshness.
    pub fn judge(&mut self, now: Timestamp) -> Vec<Error> {
        let part = self.part;
        let failures = self.running.iter_mut().filter_map(|running| {
            if part && matches!(running.state, State::Freshness { newest: None, .. }) {
                return None;
            }
            let reason = running.state.judge(now)?;
            let message = format!("data test failed: column `{}` {reason}", running.test.column);
            Some(
                Error::new("OF-RUN-010", ErrorKind::Held, message)
                    .at(running.test.location.clone())
                    .hint("mend the model or its data, or change the test; nothing was sent"),
            )
        });
        failures.collect()
    }
}

fn no_column(test: &ColumnTest) -> Error {
    Error::new("OF-RUN-002", ErrorKind::Config, format!("the query has no column `{}` to test", test.column))
        .at(test.location.clone())
}

impl State {
    fn observe(&mut self, cell: Cell<'_>) {
        match self {
            State::NotNull { nulls } => *nulls += u64::from(cell == Cell::Null),
            State::Unique(unique) => unique.observe(cell),
            State::Freshness { newest, reader, .. } => {
                if let Ok(Value::DateTime(time)) = transform::convert(cell, reader) {
                    *newest = Some(newest.map_or(time, |newest| newest.max(time)));
                }
            }
        }
    }

    fn judge(&mut self, now: Timestamp) -> Option<String> {
        match self {
            State::NotNull { nulls: 0 } => None,
            State::NotNull { nulls } => Some(format!("is null in {nulls} rows")),
            State::Unique(unique) => unique.judge(),
            State::Freshness { newest: None, .. } => Some("holds no time to judge its freshness by".into()),
            State::Freshness { max_age, newest: Some(newest), .. } => {
                let age = now.as_second() - newest.as_second();
                (age > max_age.as_secs() as i64).then(|| {
                    format!("is stale: the newest is {newest}, more than {} s ago", max_age.as_secs())
                })
            }
        }
    }
}

/// Values hashed to 64 bits under a key of this process: 8 bytes a row, and one chance in 300,000 that ten million
/// different values are taken for repeated ones, which holds the run.
#[derive(Default)]
struct Unique {
    hasher: RandomState,
    hashes: Vec<u64>,
    /// The last hash of each residue: finds an example where equal values stand close together, as they mostly do.
    recent: Vec<u64>,
    example: Option<String>,
    bytes: Vec<u8>,
}

const RECENT: usize = 1 << 13;

impl Unique {
    /// Null is no value; what cannot be a key is another test's matter.
    fn observe(&mut self, cell: Cell<'_>) {
        self.bytes.clear();
        if encode_key(cell, &mut self.bytes).is_err() {
            return;
        }
        let hash = self.hasher.hash_one(&self.bytes);
        if self.hashes.len() == self.hashes.capacity() {
            self.hashes.reserve_exact(RECENT + self.hashes.len() / 4);
        }
        self.hashes.push(hash);
        self.recent.resize(RECENT, 0);
        let recent = &mut self.recent[hash as usize % RECENT];
        if *recent == hash && self.example.is_none() {
            self.example = key_value(cell).ok().map(|value| value.to_string());
        }
        *recent = hash;
    }

    fn judge(&mut self) -> Option<String> {
        self.hashes.sort_unstable();
        let repeated = self.hashes.windows(2).filter(|pair| pair[0] == pair[1]).count();
        let example = self.example.as_ref().map(|value| format!(", `{value}` for one")).unwrap_or_default();
        (repeated > 0).then(|| format!("is not unique: {repeated} rows repeat a value{example}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(cells: impl Iterator<Item = i64>) -> Option<String> {
        let mut unique = Unique::default();
        cells.for_each(|i| unique.observe(Cell::Integer(i)));
        unique.observe(Cell::Null);
        unique.observe(Cell::Null);
        unique.judge()
    }

    #[test]
    fn repeated_values_are_counted_near_and_far() {
        assert_eq!(judged(0..50_000), None);
        let near = judged((0..50_000).chain([49_999, 49_999])).unwrap();
        assert_eq!(near, "is not unique: 2 rows repeat a value, `49999` for one");
        let far = judged((0..100_000).chain(0..100_000)).unwrap();
        assert!(far.starts_with("is not unique: 100000 rows repeat a value"), "{far}");
    }

    #[test]
    fn one_number_is_one_value_whatever_its_type() {
        let mut unique = Unique::default();
        for cell in [Cell::Integer(1), Cell::Float(1.0), Cell::Text("1")] {
            unique.observe(cell);
        }
        assert_eq!(unique.judge().as_deref(), Some("is not unique: 1 rows repeat a value, `1` for one"));
    }
}
