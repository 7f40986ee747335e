//! How often a client may repeat requests: a part of all it sends, so that a server that is down is not kept down.

use std::sync::{Mutex, PoisonError};

/// Repeats that are there from the start, and the most that are saved up: enough for a bad minute.
const SAVED: f64 = 50.0;

/// Repeats that each request brings.
const EARNED: f64 = 0.1;

/// What a client may still spend on repeats.
#[derive(Debug)]
pub(super) struct Budget(Mutex<f64>);

impl Default for Budget {
    fn default() -> Self {
        Budget(Mutex::new(SAVED))
    }
}

impl Budget {
    /// A request is sent for the first time.
    pub(super) fn earn(&self) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *left = (*left + EARNED).min(SAVED);
    }

    /// Takes one repeat, if there is one left.
    pub(super) fn spend(&self) -> bool {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = *left >= 1.0;
        if enough {
            *left -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_a_part_of_what_is_sent() {
        let budget = Budget::default();
        let spent = |requests: usize| {
            let send = |_: &usize| {
                budget.earn();
                budget.spend()
            };
            (0..requests).filter(send).count()
        };
        assert_eq!(spent(50), 50);
        let later = spent(1000);
        assert!((95..=110).contains(&later), "{later}");
        (0..10_000).for_each(|_| budget.earn());
        assert_eq!((0..99).filter(|_| budget.spend()).count(), 50, "no more is saved up");
    }
}
