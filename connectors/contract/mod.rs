//! What the engine and the systems say to each other: rows in, changes out, one outcome per change back.
//!
//! Nothing here knows a vendor, a mapping, a plan or the ledger.
//!
//! A whole destination, which keeps what it gets in memory:
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::{Arc, Mutex};
//!
//! use async_trait::async_trait;
//! use outflow_connectors::contract::*;
//!
//! type Objects = Arc<Mutex<BTreeMap<String, String>>>;
//!
//! /// The objects of one account, each a name under an id.
//! #[derive(Default)]
//! struct Shelf(Objects);
//!
//! #[async_trait]
//! impl Destination for Shelf {
//!     fn capabilities(&self, _target: &Target) -> Result<Capabilities, ConnectorError> {
//!         let verbs = &[Verb::Upsert, Verb::Delete];
//!         Ok(Capabilities { verbs, deletes: DeleteKind::Hard, partial_answers: true, ..Capabilities::BLANK })
//!     }
//!
//!     fn quota(&self) -> QuotaOwner {
//!         QuotaOwner("shelf".to_owned())
//!     }
//!
//!     async fn account(&self) -> Result<AccountId, ConnectorError> {
//!         Ok(AccountId("shelf:1".to_owned()))
//!     }
//!
//!     async fn catalog(&self, _target: &Target) -> Result<Catalog, ConnectorError> {
//!         Ok(Catalog { properties: vec![Property::new("name", FieldType::String)], open: false, ..Catalog::default() })
//!     }
//!
//!     async fn open(&self, _: &Target, _: RunContext) -> Result<Box<dyn Session>, ConnectorError> {
//!         Ok(Box::new(ShelfSession(self.0.clone())))
//!     }
//!
//!     fn traffic(&self) -> Traffic {
//!         Traffic::default()
//!     }
//! }
//!
//! struct ShelfSession(Objects);
//!
//! #[async_trait]
//! impl Session for ShelfSession {
//!     async fn submit(
//!         &self,
//!         batch: &dyn BatchSource,
//!         _handles: &dyn Handles,
//!     ) -> Result<Submitted, ConnectorError> {
//!         let mut objects = self.0.lock().unwrap();
//!         let (mut outcomes, mut place) = (Outcomes::new(batch.len()), 0);
//!         batch.each(&mut |change| {
//!             let key = change.destination_key[0].value.to_string();
//!             let name = change.fields.iter().find(|field| field.name == "name");
//!             outcomes.set(place, match (change.verb, name) {
//!                 (Verb::Delete, _) => {
//!                     objects.remove(&key);
//!                     Outcome::Applied { remote_id: None, created: None }
//!                 }
//!                 (_, Some(name)) => {
//!                     let before = objects.insert(key, name.value.to_string());
//!                     Outcome::Applied { remote_id: None, created: Some(before.is_none()) }
//!                 }
//!                 (_, None) => Outcome::Rejected {
//!                     code: "NO_NAME".to_owned(),
//!                     field: Some("name".to_owned()),
//!                     message: "the row has no name".to_owned(),
//!                 },
//!             });
//!             place += 1;
//!             Ok(())
//!         })?;
//!         Ok(Submitted::Done(outcomes.receipt()))
//!     }
//! }
//!
//! /// For a session that stores no handles.
//! struct NoHandles;
//!
//! #[async_trait]
//! impl Handles for NoHandles {
//!     async fn store(&self, _: &RemoteHandle) -> Result<(), ConnectorError> {
//!         Err(ConnectorError::new(Kind::Internal, "there are no jobs here"))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), ConnectorError> {
//! let field = |name: &str, text: &str| FieldValue { name: name.into(), value: Value::Text(text.to_owned()) };
//! let change = |key: &str, fields| Change {
//!     verb: Verb::Upsert,
//!     destination_key: vec![field("id", key)],
//!     remote_id: None,
//!     fields,
//! };
//! let batch = vec![change("7", vec![field("name", "Ann")]), change("8", vec![])];
//!
//! let shelf = Shelf::default();
//! let target = Target { object: "people".to_owned(), match_on: vec!["id".to_owned()], ..Target::default() };
//! let session = shelf.open(&target, RunContext::alone("run-1", "people_to_shelf")).await?;
//! let Submitted::Done(receipt) = session.submit(&batch, &NoHandles).await? else { unreachable!() };
//! session.finish(RunEnd::Complete).await?;
//!
//! assert!(matches!(receipt.outcomes(), [Outcome::Applied { created: Some(true), .. }, Outcome::Rejected { .. }]));
//! assert_eq!(shelf.0.lock().unwrap()["7"], "Ann");
//! # Ok(())
//! # }
//! ```

mod association;
mod capability;
mod catalog;
mod change;
mod destination;
mod error;
mod permission;
mod receipt;
mod row;
mod source;
mod spacing;
mod stamp;
mod value;
mod value_ref;

pub use association::{Association, AssociationKind};
pub use capability::{Bulk, Calls, Capabilities, DeleteKind, Load, Narrow, RateLimit};
pub use catalog::{Catalog, FieldType, Property};
pub use change::{BatchSource, Change, ChangeRef, FieldRef, FieldValue, Look, OneVerb, Verb, beyond};
pub use destination::{
    AccountId, Connected, Destination, Handles, Lookup, Normaliser, QuotaOwner, RemoteHandle, RunContext,
    RunEnd, Session, Submitted, Target, Traffic, Typed, Window, fold, folded,
};
pub use error::{ConnectorError, Kind, Retry};
pub use permission::Permission;
pub use receipt::{Outcome, Outcomes, Receipt};
pub use row::{AHEAD, Block, Column, MAX_CELL, Raw, Row, RowBatch, RowBatchBuilder, Schema};
pub use source::{
    Estimate, Extract, FileQuery, Prepared, Preparer, Query, QueryHandles, ReadContext, RowSink, Source,
};
pub use spacing::{Spacing, Step};
pub use stamp::{ORDINARY_SECONDS, write_date, write_seconds, write_time};
pub use value::{Cell, Number, NumberError, Value};
pub use value_ref::{ValueRef, write_text};
