//! What the areas share: running the binary in a folder of its own, with nothing of the machine around it.

mod run;

#[allow(unused_imports)]
pub use run::{Run, outflow, outflow_with};
