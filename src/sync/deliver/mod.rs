//! Plan -> receipts -> ledger: batches in flight up to the permitted number, each made durable before it leaves, and
//! what their outcomes mean for the ledger. The only writer to the outside.

mod acknowledge;
mod answer;
mod batch;
mod cleared;
mod delivery;
mod feed;
mod gate;
mod journal;
mod progress;
mod queue;
mod sending;
mod streaming;
mod together;

pub use acknowledge::Keeping;
pub use batch::Records;
pub use cleared::Cleared;
pub use delivery::{Delivery, Shape};
pub use feed::{Batches, Cutter, Feed, size};
pub use gate::Gate;
pub use journal::Journal;
pub use progress::{Ended, Progress, Watch};
pub use queue::Queue;
pub use sending::{Begun, Job};
pub use streaming::Chooser;
