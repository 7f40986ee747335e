//! The promises, each by running the binary against the sandbox, with faults where they matter.

mod asynchronous;
mod backfill;
mod crash;
mod deletes;
mod delivery;
mod golden;
mod identity;
mod kill;
mod lab;
mod limits;
mod mapping;
mod refresh;
mod rejections;
mod replaced;
