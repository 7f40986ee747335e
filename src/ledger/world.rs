//! What a lease must know of the machine: clocks, and which process is which. Tests bring their own.

use std::fs;
use std::time::Duration;

use jiff::Timestamp;

/// A process, so that another one can tell whether it still lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    /// Name of the host, for people.
    pub(super) host: String,
    /// Identity of the machine across boots; empty where there is none.
    pub(super) machine: String,
    /// Identity of the running kernel; empty where there is none.
    pub(super) boot: String,
    pub(super) pid: u32,
    /// When it started, in clock ticks since boot; 0 where that cannot be told.
    pub(super) start: u64,
    /// The namespace in which `pid` means something; empty where there is none.
    pub(super) space: String,
}

pub(super) trait World: Send + Sync {
    /// Time since boot, on a clock that runs on while the machine sleeps.
    fn since_boot(&self) -> Duration;
    fn now(&self) -> Timestamp;
    fn me(&self) -> Process;
    /// Start of a living process of this namespace; `None` if there is none.
    fn start_of(&self, pid: u32) -> Option<u64>;
}

/// The real one.
pub(super) struct Machine;

impl World for Machine {
    fn since_boot(&self) -> Duration {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
        // Counts sleep on macOS.
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
        let time = rustix::time::clock_gettime(CLOCK);
        Duration::new(time.tv_sec.max(0) as u64, time.tv_nsec.clamp(0, 999_999_999) as u32)
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn me(&self) -> Process {
        let pid = std::process::id();
        let host = first_line("/proc/sys/kernel/hostname");
        Process {
            host: if host.is_empty() { "this host".into() } else { host },
            machine: first_line("/etc/machine-id"),
            boot: first_line("/proc/sys/kernel/random/boot_id"),
            pid,
            start: self.start_of(pid).unwrap_or(0),
            space: fs::read_link("/proc/self/ns/pid")
                .map(|link| link.display().to_string())
                .unwrap_or_default(),
        }
    }

    fn start_of(&self, pid: u32) -> Option<u64> {
        start_from_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }
}

/// Field 22 of proc_pid_stat(5); `None` for a process that is dead and only waits for its parent to notice.
fn start_from_stat(stat: &str) -> Option<u64> {
    // The name in parentheses may hold spaces and parentheses itself.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    if matches!(fields.next()?, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zombie_is_dead_and_a_name_may_hold_anything() {
        let stat =
            |state| format!("42 (a) b (c)) {state} 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20 21");
        assert_eq!(start_from_stat(&stat("S")), Some(777));
        assert_eq!(start_from_stat(&stat("Z")), None);
        assert_eq!(start_from_stat("nonsense"), None);
    }

    #[test]
    fn this_process_is_alive() {
        let me = Machine.me();
        assert_eq!(Machine.start_of(me.pid), Some(me.start));
        assert!(me.start > 0);
    }
}
