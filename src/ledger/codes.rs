//! Every code of this room, for `outflow explain`.

use outflow_connectors::registry::ErrorEntry;

macro_rules! codes {
    ($($name:ident $code:literal $meaning:literal $action:literal)*) => {
        $(#[doc = $meaning] pub const $name: &str = $code;)*

        /// What each code of the state folder means and what to do about it.
        pub const CODES: &[ErrorEntry] = &[$(ErrorEntry { code: $code, meaning: $meaning, action: $action }),*];
    };
}

codes! {
    CANNOT_OPEN "OF-STA-001"
        "The state folder, or a file in it, could not be created or opened."
        "Check that `state:` in `outflow.yml` names a folder on a local disk, and that nothing else has that name."
    NO_PERMISSION "OF-STA-002"
        "The state folder, or a file in it, may not be written by the user that runs outflow."
        "Give that user the right to write the folder and its files, or set another folder as `state:`."
    NOT_OURS "OF-STA-003"
        "A file in the state folder is something else than outflow's own: not an SQLite database, or another program's."
        "Move it away, or put the right one back from a backup. outflow changed nothing in it."
    DAMAGED "OF-STA-004"
        "A file in the state folder is damaged: a checksum, a count or SQLite's own check failed. It is never rebuilt by guessing."
        "Put it back from a backup, a ledger by `outflow ledger import` from an export. Without one `outflow ledger forget` (or moving another file away) lets outflow start anew: it sends every row again, and removals made in the source meanwhile are not known."
    VERSION "OF-STA-005"
        "A file in the state folder has the format of another version of outflow."
        "Upgrade outflow to the version that wrote it. A file of an older version is brought up to date by the next `outflow sync`."
    FULL "OF-STA-006"
        "There was no space left on the disk while a file of the state folder was written. Nothing more was sent."
        "Free some space and run again. What was delivered but not recorded is looked at, or sent again, first."
    BUSY "OF-STA-007"
        "Another program holds a file of the state folder locked."
        "Close the program that has it open, an SQLite browser or a backup, and run again."
    FAILED "OF-STA-008"
        "Reading or writing a file of the state folder failed."
        "Look at the cause that is shown, and at the disk. Nothing more was sent."
    AMBIGUOUS_RUN "OF-STA-009"
        "Several runs begin with the letters that were given."
        "Give more of the run's id; `outflow runs` lists them."
    LEASE_HELD "OF-STA-010"
        "Another run of the same sync is going on."
        "Wait until it has ended. If its process is dead, the next run takes over, after a minute at the latest."
    LEASE_LOST "OF-STA-011"
        "This run was the one allowed to run the sync, and is not any more: the computer slept or hung for over a minute, or another run took over."
        "Run again. What was on its way is settled first."
    SALT "OF-STA-012"
        "The salt, with which all keys and records are hashed, is damaged or is not the one that the ledger was made with."
        "Put the file `salt` of the state folder back from a backup. Without it every row would look new, and every object gone."
    EXPORT "OF-STA-013"
        "A file given to `outflow ledger import` is not a whole export of this sync's ledger."
        "Use another copy of the export, or the export of this sync. The ledger in place was not touched."
}
