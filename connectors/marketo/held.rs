//! What an earlier run may have left at work. Marketo makes duplicates of upserts with one key that are under way together
//! (`leads.md`, the note of "Create and Update"), and it lists no calls and no imports. So a call whose answer was lost is given a
//! while before anything is sent, and the keys of an import whose number nobody knows, or whose end was not seen, are let alone.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::OnceCell;

use crate::contract::{ConnectorError, Kind, Outcome, Permission, Window, fold};

/// Keys that may be under way, and calls that may be.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// When runs wrote that left calls without an answer.
    unsettled: Option<Window>,
    /// So long such a call may go on.
    call: Duration,
    state: Mutex<State>,
    waited: OnceCell<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Until then calls of a batch with imports may go on.
    calls: Option<Timestamp>,
    /// By folded key: until when it is let alone.
    keys: HashMap<String, Timestamp>,
}

impl Held {
    pub(super) fn new(unsettled: Option<Window>, call: Duration) -> Self {
        Held { unsettled, call, ..Held::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Some rows of a batch that an earlier run left may have gone by calls.
    pub(super) fn calls(&self, now: Timestamp) {
        let until = now.checked_add(self.call).ok();
        let mut state = self.state();
        state.calls = state.calls.max(until);
    }

    /// An import may be at work on these keys until then.
    pub(super) fn keys<'a>(&self, keys: impl IntoIterator<Item = &'a str>, until: Timestamp) {
        let mut state = self.state();
        for key in keys.into_iter().filter(|key| !key.is_empty()) {
            let last = state.keys.entry(fold(key)).or_insert(until);
            *last = (*last).max(until);
        }
    }

    /// Why a row with this key is not sent now, if it is not.
    pub(super) fn holds(&self, key: &str, now: Timestamp) -> Option<Outcome> {
        let state = self.state();
        if state.keys.is_empty() {
            return None;
        }
        let until = state.keys.get(&fold(key)).filter(|until| now < **until)?;
        Some(Outcome::Deferred {
            reason: match *until == Timestamp::MAX {
                true => "an import that may still be at work has this lead; a later run asks for its end"
                    .to_owned(),
                false => format!(
                    "an import that nobody can ask for may still be at work on this lead; it is given until {} \
                     (`destination.lost_import_wait`)",
                    until.strftime("%Y-%m-%d %H:%M UTC")
                ),
            },
        })
    }

    /// Waits, once in a session, until calls that earlier runs left without an answer have ended.
    ///
    /// # Errors
    /// [`Kind::Revoked`] where the run ends before.
    pub(super) async fn quiet(&self, permission: &dyn Permission) -> Result<(), ConnectorError> {
        let wait = || async {
            let Some(wait) = self.left(Timestamp::now()) else { return Ok(()) };
            tracing::info!(
                seconds = wait.as_secs(),
                "calls of an earlier run that had no answer are given time to end"
            );
            tokio::select! {
                () = tokio::time::sleep(wait) => Ok(()),
                () = permission.closing() => {
                    Err(ConnectorError::new(Kind::Revoked, "the run ended before calls of an earlier one had to have ended"))
                }
            }
        };
        self.waited.get_or_try_init(wait).await.copied()
    }

    /// Until when calls that earlier runs left without an answer may go on.
    pub(super) fn lost_until(&self) -> Option<Timestamp> {
        self.unsettled.and_then(|left| left.to.checked_add(self.call).ok())
    }

    /// How long it is from now until then.
    fn left(&self, now: Timestamp) -> Option<Duration> {
        time_to(self.lost_until().max(self.state().calls)?, now)
    }
}

/// How long it is from now until then; `None` once it is over.
pub(super) fn time_to(then: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(then.duration_since(now)).ok().filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn calls_without_an_answer_are_given_a_while() {
        let left = Window { from: time("2026-07-15T11:00:00Z"), to: time("2026-07-15T12:00:00Z") };
        let held = Held::new(Some(left), Duration::from_secs(60));
        assert_eq!(held.left(time("2026-07-15T12:00:20Z")), Some(Duration::from_secs(40)));
        assert_eq!(held.left(time("2026-07-15T12:01:00Z")), None);
        held.calls(time("2026-07-15T12:05:00Z"));
        assert_eq!(held.left(time("2026-07-15T12:05:30Z")), Some(Duration::from_secs(30)));
        assert_eq!(Held::new(None, Duration::from_secs(60)).left(time("2026-07-15T12:00:20Z")), None);
        assert_eq!(Held::new(Some(left), Duration::ZERO).left(time("2026-07-15T12:00:20Z")), None);
    }

    #[test]
    fn keys_of_an_import_that_nobody_knows_are_let_alone_and_not_for_ever() {
        let held = Held::default();
        let (now, until) = (time("2026-07-15T12:00:00Z"), time("2026-07-15T13:00:00Z"));
        assert_eq!(held.holds("a@x.io", now), None);
        held.keys(["A@x.io", ""], until);
        held.keys(["a@x.io"], now);
        let Some(Outcome::Deferred { reason }) = held.holds("a@X.io", now) else { panic!() };
        assert!(reason.contains("2026-07-15 13:00 UTC"), "{reason}");
        assert_eq!(
            (held.holds("a@x.io", until), held.holds("b@x.io", now), held.holds("", now)),
            (None, None, None)
        );
        held.keys(["b@x.io"], Timestamp::MAX);
        assert!(held.holds("b@x.io", until).is_some());
    }
}
