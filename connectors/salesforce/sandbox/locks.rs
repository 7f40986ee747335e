//! Records that another transaction has locked.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::Value as Json;

/// Which records meet a lock.
#[derive(Debug)]
pub(super) enum Locks {
    /// So many more.
    Left(AtomicU64),
    /// So many in a thousand, by the count of those asked for.
    Share(u64, AtomicU64),
}

impl Locks {
    /// `3`, or `5%`.
    pub(super) fn read(value: Option<&Json>) -> Result<Self, String> {
        let share = |text: &str| {
            let percent: f64 = text.strip_suffix('%')?.trim().parse().ok()?;
            (0.0..100.0).contains(&percent).then_some((percent * 10.0) as u64)
        };
        match value {
            None => Ok(Locks::Left(AtomicU64::new(0))),
            Some(Json::String(text)) if share(text).is_some() => {
                Ok(Locks::Share(share(text).unwrap_or(0), AtomicU64::new(0)))
            }
            Some(value) => match value.as_u64() {
                Some(count) => Ok(Locks::Left(AtomicU64::new(count))),
                None => {
                    Err("`locks` must be a whole number, not negative, or a share such as `5%`".to_owned())
                }
            },
        }
    }

    /// Whether the next record meets one.
    pub(super) fn next(&self) -> bool {
        match self {
            Locks::Left(left) => left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok(),
            // Spread as if by chance, the same in every run.
            Locks::Share(share, asked) => {
                let mixed = asked.fetch_add(1, Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                (mixed >> 40) % 1000 < *share
            }
        }
    }
}
