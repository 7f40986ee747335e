//! The promises, each by running the binary against the sandbox, with faults where they matter. Accidents at named points
//! need a build that has them.

mod asynchronous;
mod audience;
mod backfill;
mod backfill_stops;
mod bad_source;
#[cfg(debug_assertions)]
mod buckets;
mod bulk;
mod changed;
#[cfg(debug_assertions)]
mod changed_by_key;
#[cfg(all(debug_assertions, target_os = "linux"))]
mod clocks;
mod crash;
mod cursor;
mod deletes;
mod delivery;
mod disk;
mod every_destination;
#[cfg(all(debug_assertions, target_os = "linux"))]
mod forecasts;
mod full_disk;
mod golden;
mod hubspot_input;
mod hubspot_objects;
mod hubspot_properties;
mod identity;
#[cfg(debug_assertions)]
mod imports;
#[cfg(debug_assertions)]
mod interrupts;
#[cfg(debug_assertions)]
mod jobs;
mod json_api;
mod kill;
mod lab;
#[cfg(debug_assertions)]
mod large;
mod late_removals;
#[cfg(debug_assertions)]
mod left_jobs;
mod limits;
mod linked;
#[cfg(debug_assertions)]
mod lost_imports;
mod mapping;
#[cfg(debug_assertions)]
mod matrix;
mod max_change;
#[cfg(debug_assertions)]
mod model;
mod moved_unseen;
#[cfg(debug_assertions)]
mod network;
#[cfg(debug_assertions)]
mod parts;
#[cfg(debug_assertions)]
mod points;
mod portal;
mod refresh;
mod rejections;
#[cfg(debug_assertions)]
mod remotes;
mod replaced;
mod restated;
mod same_key;
mod scenarios;
#[cfg(debug_assertions)]
mod slow_source;
mod stores;
mod streaming;
#[cfg(debug_assertions)]
mod suspended;
mod syncs;
mod timing;
#[cfg(debug_assertions)]
mod uploads;
mod warehouses;
