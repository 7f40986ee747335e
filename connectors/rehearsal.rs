//! Accidents on request, for tests that need one at an exact place: the process ends, stands still or is interrupted
//! between two durable steps, or its lease and its requests last so shortly that a test can outwait them.
//!
//! Only a build with debug assertions has them. In a release build [`point`] is empty and there is nothing to arm, so
//! that nothing in the environment can end a user's run.

#[cfg(not(debug_assertions))]
use std::time::Duration;

#[cfg(debug_assertions)]
pub use armed::{arm, lease, point, timeout};

/// A place where a process may end, by a name of its own.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_name: &'static str) {}

/// How long a lease is to last, where a test says so.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn lease() -> Option<Duration> {
    None
}

/// How long an answer is waited for, where a test says so.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn timeout() -> Option<Duration> {
    None
}

#[cfg(debug_assertions)]
mod armed {
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use std::process::{Command, abort};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    enum Plan {
        /// Something happens when a point is passed for the n-th time.
        At { name: String, left: AtomicU64, happens: fn() },
        /// Write down each point that is passed.
        List(File),
        /// Leases last this long.
        Lease(Duration),
        /// Answers are waited for this long.
        Timeout(Duration),
    }

    static PLAN: OnceLock<Plan> = OnceLock::new();

    /// Takes `NAME:N`, to abort when the point of this name is passed for the n-th time, `stop:NAME:N`, to stand still
    /// there as by `kill -STOP`, `interrupt:NAME:N`, to be interrupted there, `list:FILE`, to append the names of all points
    /// passed to a file, `lease:SECONDS`, or `timeout:MILLISECONDS`. Done once in a process; what cannot be read is refused
    /// by an abort, so that no test passes for want of its accident.
    pub fn arm(plan: &str) {
        let parsed = match plan.split_once(':') {
            Some(("list", file)) => {
                OpenOptions::new().create(true).append(true).open(file).ok().map(Plan::List)
            }
            Some(("lease", seconds)) => seconds.parse().ok().map(|s| Plan::Lease(Duration::from_secs(s))),
            Some(("timeout", ms)) => ms.parse().ok().map(|ms| Plan::Timeout(Duration::from_millis(ms))),
            Some(("stop", place)) => at(place, stop),
            Some(("interrupt", place)) => at(place, interrupt),
            _ => at(plan, || abort()),
        };
        match parsed.map(|plan| PLAN.set(plan)) {
            Some(Ok(())) => {}
            _ => abort(),
        }
    }

    /// As Ctrl-C does; a moment later whoever listens has heard it.
    fn interrupt() {
        let sent = Command::new("sh").args(["-c", "kill -INT $PPID && sleep 0.1"]).status();
        if !sent.is_ok_and(|status| status.success()) {
            abort();
        }
    }

    fn at(place: &str, happens: fn()) -> Option<Plan> {
        let (name, count) = place.split_once(':')?;
        let count = count.parse().ok().filter(|count| *count > 0)?;
        Some(Plan::At { name: name.to_owned(), left: AtomicU64::new(count), happens })
    }

    fn stop() {
        let sent = Command::new("sh").args(["-c", "kill -STOP $PPID"]).status();
        if !sent.is_ok_and(|status| status.success()) {
            abort();
        }
        // The signal may come to this thread last of all; it must not go on before.
        std::thread::park_timeout(Duration::from_secs(5));
    }

    /// How long a lease is to last, where a test says so.
    pub fn lease() -> Option<Duration> {
        match PLAN.get() {
            Some(Plan::Lease(time)) => Some(*time),
            _ => None,
        }
    }

    /// How long an answer is waited for, where a test says so.
    pub fn timeout() -> Option<Duration> {
        match PLAN.get() {
            Some(Plan::Timeout(time)) => Some(*time),
            _ => None,
        }
    }

    /// A place where a process may end, by a name of its own.
    pub fn point(name: &'static str) {
        match PLAN.get() {
            Some(Plan::At { name: wanted, left, happens }) => {
                if wanted == name && left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    happens();
                }
            }
            None | Some(Plan::Lease(_) | Plan::Timeout(_)) => {}
            Some(Plan::List(file)) => {
                let mut file = file;
                if file.write_all(format!("{name}\n").as_bytes()).is_err() {
                    abort();
                }
            }
        }
    }
}
