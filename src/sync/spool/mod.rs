//! What waits on disk between the extract and the delivery: records in their canonical encoding, and lists of items of
//! fixed width. The files have no name: only this process can read them, and they vanish with it, however it ends.

mod records;
mod spill;
mod stored;
mod texts;

pub use records::{Loaded, Place, Spool, SpoolWriter};
pub use spill::{CHUNK, Fixed, Space, Spill, array};
pub use stored::Stored;
pub use texts::{
    destination_key, destination_text, field_hashes, key_text, record_text, write_key, write_list,
};
