//! The promises, each by running the binary against the sandbox, with faults where they matter.

mod asynchronous;
mod backfill;
mod backfill_stops;
mod crash;
mod deletes;
mod delivery;
mod golden;
mod identity;
mod jobs;
mod kill;
mod lab;
mod limits;
mod mapping;
mod matrix;
mod points;
mod refresh;
mod rejections;
mod replaced;
mod same_key;
mod scenarios;
