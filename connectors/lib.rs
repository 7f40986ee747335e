//! The lower layer of outflow: contracts, and the systems it speaks to. It knows rows, changes and receipts, and
//! nothing of mappings, plans or the ledger.

pub mod contract;
pub mod http;
pub mod hubspot;
pub mod registry;
