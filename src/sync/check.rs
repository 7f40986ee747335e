//! Data tests over the whole extract, judged before anything is sent. Pure.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use outflow_connectors::contract::{Cell, FieldType, Row, Schema, Value};

use crate::error::{Error, ErrorKind};
use crate::project::{ColumnTest, DataTest};
use crate::transform::encode::{encode_value, key_value};
use crate::transform::{self, Conversion};

/// The tests of one mapping, fed row by row.
pub struct DataTests {
    running: Vec<Running>,
}

struct Running {
    column: usize,
    test: ColumnTest,
    state: State,
}

enum State {
    Unique { seen: HashSet<Vec<u8>>, repeated: u64, example: Option<String> },
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
                DataTest::Unique(column) => {
                    add(column, State::Unique { seen: HashSet::new(), repeated: 0, example: None })
                }
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
                    };
                    add(column, State::Freshness { max_age: *max_age, newest: None, reader });
                }
            }
        }
        if errors.is_empty() { Ok(DataTests { running }) } else { Err(errors) }
    }

    pub fn observe(&mut self, row: Row<'_>) {
        for running in &mut self.running {
            running.state.observe(row.cell(running.column));
        }
    }

    /// What the rows failed, in the order of the mapping; `now` judges freshness.
    pub fn judge(&self, now: Timestamp) -> Vec<Error> {
        let failures = self.running.iter().filter_map(|running| {
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
            State::Unique { seen, repeated, example } => {
                let Ok(value) = key_value(cell) else { return };
                let mut bytes = Vec::new();
                encode_value(&value, &mut bytes);
                if !seen.insert(bytes) {
                    *repeated += 1;
                    example.get_or_insert_with(|| value.to_string());
                }
            }
            State::Freshness { newest, reader, .. } => {
                if let Ok(Value::DateTime(time)) = transform::convert(cell, reader) {
                    *newest = Some(newest.map_or(time, |newest| newest.max(time)));
                }
            }
        }
    }

    fn judge(&self, now: Timestamp) -> Option<String> {
        match self {
            State::NotNull { nulls: 0 } | State::Unique { repeated: 0, .. } => None,
            State::NotNull { nulls } => Some(format!("is null in {nulls} rows")),
            State::Unique { repeated, example, .. } => {
                let example = example.as_deref().unwrap_or_default();
                Some(format!("is not unique: {repeated} rows repeat a value, `{example}` for one"))
            }
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
