//! What the areas share: running the binary in a folder of its own, with nothing of the machine around it.

#![allow(dead_code, unused_imports)]

mod proxy;
mod quickstart;
mod run;
mod served;
mod server;
#[cfg(target_os = "linux")]
mod small_disk;
mod tls;
#[cfg(target_os = "linux")]
mod wall_clock;

pub use proxy::{Proxy, Trouble};
pub use quickstart::quickstart;
pub use run::{Run, outflow, outflow_with};
pub use served::Served;
pub use server::server;
#[cfg(target_os = "linux")]
pub use small_disk::SmallDisk;
pub use tls::{ConnectProxy, Tls};
#[cfg(target_os = "linux")]
pub use wall_clock::WallClock;
