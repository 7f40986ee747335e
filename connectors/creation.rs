//! Fields that a mapping sends and the destination lacks, created before the first write of a session.

use std::future::Future;

use tokio::sync::OnceCell;

use crate::contract::{ConnectorError, Kind, Property, Retry};

/// What one session creates, once.
#[derive(Debug, Default)]
pub struct Creation {
    missing: Vec<Property>,
    done: OnceCell<()>,
}

impl Creation {
    /// Of the fields that were not there when the mapping was checked.
    pub fn of(missing: &[Property]) -> Self {
        Creation { missing: missing.to_vec(), done: OnceCell::new() }
    }

    /// Those fields.
    pub fn missing(&self) -> &[Property] {
        &self.missing
    }

    /// Has `create` make them, the first time; all others wait for it. A field that is there by then, made by another run or by
    /// a call whose answer was lost, should be as good as ours to it.
    ///
    /// # Errors
    /// Those of `create`; the next batch tries again.
    pub async fn ensure(
        &self,
        create: impl Future<Output = Result<(), ConnectorError>>,
    ) -> Result<(), ConnectorError> {
        if self.missing.is_empty() {
            return Ok(());
        }
        self.done.get_or_try_init(|| create).await.copied()
    }
}

/// The error of fields that are still not there: `title` is the destination's name, `word` what it calls a field, and
/// `refusal` what it said to one of them.
pub fn not_created(
    title: &str,
    word: &str,
    left: &[&Property],
    refusal: Option<ConnectorError>,
) -> ConnectorError {
    let why = refusal.map_or_else(|| "its answer does not say why".to_owned(), |error| error.message);
    let message = format!("{title} did not create the {word} {}: {why}", names(left));
    ConnectorError::new(Kind::Config, message)
        .hint(format!("create it in {title}, or take `create_missing_properties` out; no row was sent"))
        .retry(Retry::Never)
}

/// Their names, for a message.
pub fn names(properties: &[&Property]) -> String {
    properties.iter().map(|property| format!("`{}`", property.name)).collect::<Vec<_>>().join(", ")
}
