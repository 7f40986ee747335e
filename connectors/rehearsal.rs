//! Accidents on request, for tests that need one at an exact place: the process ends or stands still between two durable
//! steps, or its lease lasts so shortly that a test can outwait it.
//!
//! Only a build with debug assertions has them. In a release build [`point`] is empty and there is nothing to arm, so
//! that nothing in the environment can end a user's run.

#[cfg(not(debug_assertions))]
use std::time::Duration;

#[cfg(debug_assertions)]
pub use armed::{arm, lease, point};

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

#[cfg(debug_assertions)]
mod armed {
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    enum Plan {
        /// At a point that is passed for the n-th time, abort or stand still.
        At { name: String, left: AtomicU64, accident: fn() },
        /// Write down each point that is passed.
        List(File),
        /// Leases last this long.
        Lease(Duration),
    }

    static PLAN: OnceLock<Plan> = OnceLock::new();

    /// Takes `NAME:N`, to abort when the point of this name is passed for the n-th time, `stop:NAME:N`, to stand still
    /// there as by `kill -STOP`, `list:FILE`, to append the names of all points passed to a file, or `lease:SECONDS`. Done once in a process; what cannot be read is refused by an abort, so
    /// that no test passes for want of its accident.
    pub fn arm(plan: &str) {
        let parsed = match plan.split_once(':') {
            Some(("list", file)) => {
                OpenOptions::new().create(true).append(true).open(file).ok().map(Plan::List)
            }
            Some(("lease", seconds)) => seconds.parse().ok().map(|s| Plan::Lease(Duration::from_secs(s))),
            Some(("stop", place)) => at(place, stop),
            Some(_) => at(plan, || std::process::abort()),
            None => None,
        };
        match parsed.map(|plan| PLAN.set(plan)) {
            Some(Ok(())) => {}
            _ => std::process::abort(),
        }
    }

    fn at(place: &str, accident: fn()) -> Option<Plan> {
        let (name, count) = place.split_once(':')?;
        let count = count.parse().ok().filter(|count| *count > 0)?;
        Some(Plan::At { name: name.to_owned(), left: AtomicU64::new(count), accident })
    }

    fn stop() {
        let me = std::process::id().to_string();
        if !std::process::Command::new("kill")
            .args(["-STOP", &me])
            .status()
            .is_ok_and(|status| status.success())
        {
            std::process::abort();
        }
    }

    /// How long a lease is to last, where a test says so.
    pub fn lease() -> Option<Duration> {
        match PLAN.get() {
            Some(Plan::Lease(time)) => Some(*time),
            _ => None,
        }
    }

    /// A place where a process may end, by a name of its own.
    pub fn point(name: &'static str) {
        match PLAN.get() {
            Some(Plan::At { name: wanted, left, accident })
                if wanted == name && left.fetch_sub(1, Ordering::SeqCst) == 1 =>
            {
                accident();
            }
            None | Some(Plan::At { .. } | Plan::Lease(_)) => {}
            Some(Plan::List(file)) => {
                let mut file = file;
                if file.write_all(format!("{name}\n").as_bytes()).is_err() {
                    std::process::abort();
                }
            }
        }
    }
}
