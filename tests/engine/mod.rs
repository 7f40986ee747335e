//! The engine through its library.

mod golden;
