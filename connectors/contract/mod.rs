//! What the engine and the systems say to each other: rows in, changes out, one outcome per change back.
//!
//! Nothing here knows a vendor, a mapping, a plan or the ledger.

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
mod value;
mod value_ref;

pub use association::{Association, AssociationKind};
pub use capability::{Capabilities, DeleteKind, RateLimit};
pub use catalog::{Catalog, FieldType, Property};
pub use change::{BatchSource, Change, ChangeRef, FieldRef, FieldValue, Look, OneVerb, Verb};
pub use destination::{
    AccountId, Connected, Destination, Handles, Lookup, Normaliser, QuotaOwner, RemoteHandle, RunContext,
    Session, Submitted, Target, Traffic,
};
pub use error::{ConnectorError, Kind, Retry};
pub use permission::Permission;
pub use receipt::{Outcome, Outcomes, Receipt};
pub use row::{Block, Column, MAX_CELL, Raw, Row, RowBatch, RowBatchBuilder, Schema};
pub use source::{Extract, FileQuery, Query, RowSink, Source};
pub use value::{Cell, Number, NumberError, Value};
pub use value_ref::{ValueRef, write_text};
