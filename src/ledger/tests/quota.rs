//! Books of requests that several processes share, on a clock of our own: nobody sleeps here.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use outflow_connectors::contract::{QuotaOwner, RateLimit};
use outflow_connectors::http::window::Rules;
use outflow_connectors::http::{Ask, Facts, News, QuotaBook, Spent, Taken};
use proptest::prelude::*;

use super::support::*;
use crate::error::{Error, ErrorKind};
use crate::ledger::world::{Process, World};
use crate::ledger::{Quotas, State};

/// A machine whose clock tests set, in microseconds since boot.
struct Mill {
    micros: AtomicU64,
    boot: Mutex<String>,
}

impl Mill {
    fn new() -> Arc<Mill> {
        Arc::new(Mill { micros: AtomicU64::new(7_000_000), boot: Mutex::new("b-1".into()) })
    }

    fn pass(&self, millis: u64) {
        self.micros.fetch_add(millis * 1000, SeqCst);
    }
}

impl World for Mill {
    fn since_boot(&self) -> Duration {
        Duration::from_micros(self.micros.load(SeqCst))
    }

    fn now(&self) -> Timestamp {
        // No window may look at it.
        Timestamp::MIN
    }

    fn me(&self) -> Process {
        let boot = self.boot.lock().unwrap().clone();
        Process { host: String::new(), machine: String::new(), boot, pid: 1, start: 1, space: String::new() }
    }

    fn start_of(&self, _: u32) -> Option<u64> {
        None
    }
}

fn owner() -> QuotaOwner {
    QuotaOwner("portal 1".into())
}

fn ask(requests: u32, millis: u64) -> Ask {
    let all = vec![RateLimit { requests, per: Duration::from_millis(millis) }];
    Ask { rules: Rules { all, background: Vec::new() }, date: 20_000, budget: None }
}

fn budget(calls: u64) -> Ask {
    Ask { budget: Some(calls), ..ask(1000, 1000) }
}

fn goes(book: &Quotas, ask: &Ask) -> bool {
    matches!(book.take(&owner(), ask).unwrap(), Taken::Go(..))
}

/// The most times in any half-open window of this length; times in microseconds.
fn densest(times: &mut [u64], window: u64) -> usize {
    times.sort_unstable();
    let inside = |(at, from): (usize, &u64)| times[at..].iter().take_while(|t| **t < from + window).count();
    times.iter().enumerate().map(inside).max().unwrap_or(0)
}

/// Processes that share one file and send as fast as they may; when the server saw each request, in microseconds.
fn crowd(
    path: &Path,
    (processes, in_flight): (usize, usize),
    wish: &Ask,
    seconds: u64,
    seed: u64,
) -> Vec<u64> {
    let mill = Mill::new();
    let books: Vec<Quotas> = (0..processes).map(|_| Quotas::with_world(path, mill.clone())).collect();
    let mut seed = seed | 1;
    let mut random = |end: u64| {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        seed.wrapping_mul(0x2545_F491_4F6C_DD1D) % end.max(1)
    };
    let start = mill.micros.load(SeqCst);
    let mut events: BinaryHeap<_> =
        (0..processes * in_flight).map(|sender| Reverse((start, sender))).collect();
    let mut arrivals = Vec::new();
    while let Some(Reverse((now, sender))) =
        events.pop().filter(|Reverse((at, _))| *at < start + seconds * 1_000_000)
    {
        mill.micros.store(now, SeqCst);
        let next = match books[sender % processes].take(&owner(), wish).unwrap() {
            Taken::Wait(wait) => wait.as_micros() as u64 + random(2000),
            Taken::Go(..) => {
                let jitter = random(80_000);
                arrivals.push(now + jitter);
                jitter + 120_000
            }
            Taken::Spent(_) => break,
        };
        events.push(Reverse((now + next, sender)));
    }
    arrivals
}

#[test]
fn one_process_or_four_use_nearly_all_of_the_rate_and_never_more() {
    for (processes, in_flight) in [(1, 4), (4, 2)] {
        let home = Home::new();
        let mut arrivals = crowd(&home.path().join("q.db"), (processes, in_flight), &ask(190, 10_000), 30, 7);
        assert!(densest(&mut arrivals, 10_000_000) <= 190, "{processes} processes");
        assert!(arrivals.len() as f64 >= 0.98 * 570.0, "{processes} processes: {}", arrivals.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn no_window_is_ever_too_full(
        requests in 1u32..30, millis in 200u64..3000, processes in 1usize..5, in_flight in 1usize..4, seed in any::<u64>(),
    ) {
        let home = Home::new();
        let wish = ask(requests, millis);
        let mut arrivals = crowd(&home.path().join("q.db"), (processes, in_flight), &wish, 6, seed);
        prop_assert!(densest(&mut arrivals, millis * 1000) <= requests as usize);
    }
}

#[test]
fn a_process_that_is_gone_holds_nothing_beyond_its_window() {
    let home = Home::new();
    let (path, mill) = (home.path().join("q.db"), Mill::new());
    let (dead, alive) = (Quotas::with_world(&path, mill.clone()), Quotas::with_world(&path, mill.clone()));
    for _ in 0..5 {
        assert!(goes(&dead, &ask(5, 1000)));
    }
    // Neither closed nor told anything: as kill -9 leaves it.
    std::mem::forget(dead);
    assert_eq!(alive.take(&owner(), &ask(5, 1000)).unwrap(), Taken::Wait(Duration::from_millis(1100)));
    mill.pass(1100);
    for _ in 0..5 {
        assert!(goes(&alive, &ask(5, 1000)));
    }
}

#[test]
fn a_request_that_leaves_late_counts_from_when_it_left() {
    let home = Home::new();
    let (path, mill) = (home.path().join("q.db"), Mill::new());
    let (a, b) = (Quotas::with_world(&path, mill.clone()), Quotas::with_world(&path, mill.clone()));
    let Taken::Go(entry, _) = a.take(&owner(), &ask(1, 1000)).unwrap() else { panic!("nothing was sent") };
    mill.pass(700);
    assert_eq!(a.postpone(&owner(), &entry).unwrap(), a.now());
    mill.pass(1000);
    assert_eq!(b.take(&owner(), &ask(1, 1000)).unwrap(), Taken::Wait(Duration::from_millis(100)));
}

#[test]
fn a_window_that_one_process_finds_full_is_full_for_all() {
    let home = Home::new();
    let (path, mill) = (home.path().join("q.db"), Mill::new());
    let (a, b) = (Quotas::with_world(&path, mill.clone()), Quotas::with_world(&path, mill.clone()));
    a.report(&owner(), &News::Full(Duration::from_secs(30))).unwrap();
    assert_eq!(b.take(&owner(), &ask(5, 10_000)).unwrap(), Taken::Wait(Duration::from_secs(30)));
    mill.pass(30_000);
    assert!(goes(&b, &ask(5, 10_000)));
}

#[test]
fn a_refusal_of_one_process_holds_all_and_widens_the_margin_of_all() {
    let home = Home::new();
    let (path, mill) = (home.path().join("q.db"), Mill::new());
    let (a, b) = (Quotas::with_world(&path, mill.clone()), Quotas::with_world(&path, mill.clone()));
    let wish = ask(1, 10_000);
    let window = Duration::from_secs(10);
    a.report(&owner(), &News::Refused { asked: Some(Duration::from_secs(30)), window }).unwrap();
    assert_eq!(b.take(&owner(), &wish).unwrap(), Taken::Wait(Duration::from_secs(30)));
    mill.pass(30_000);
    assert!(goes(&b, &wish));
    assert_eq!(a.take(&owner(), &wish).unwrap(), Taken::Wait(Duration::from_millis(10_200)));
    mill.pass(100_000);
    assert!(goes(&a, &wish));
    assert_eq!(a.take(&owner(), &wish).unwrap(), Taken::Wait(Duration::from_millis(10_100)));
    assert!(matches!(a.take(&QuotaOwner("portal 2".into()), &wish).unwrap(), Taken::Go(..)));
}

#[test]
fn a_new_boot_forgets_the_windows_and_keeps_the_day() {
    let home = Home::new();
    let path = home.path().join("q.db");
    let mill = Mill::new();
    let wish = Ask { budget: Some(2), ..ask(1, 60_000) };
    assert!(goes(&Quotas::with_world(&path, mill.clone()), &wish));
    mill.micros.store(1_000_000, SeqCst);
    *mill.boot.lock().unwrap() = "b-2".into();
    let after = Quotas::with_world(&path, mill.clone());
    assert!(goes(&after, &wish));
    assert_eq!(after.take(&owner(), &wish).unwrap(), Taken::Spent(Spent::Budget(2)));
    // Without a name of the boot, a clock that stands before the last entry tells as much.
    mill.micros.store(500, SeqCst);
    assert!(goes(&Quotas::with_world(&path, mill), &Ask { budget: None, ..wish }));
}

#[test]
fn a_day_is_shared_and_follows_the_vendors_count() {
    let home = Home::new();
    let (path, mill) = (home.path().join("q.db"), Mill::new());
    let (a, b) = (Quotas::with_world(&path, mill.clone()), Quotas::with_world(&path, mill.clone()));
    for _ in 0..3 {
        assert!(goes(&a, &budget(6)) && goes(&b, &budget(9)));
    }
    assert_eq!(a.take(&owner(), &budget(6)).unwrap(), Taken::Spent(Spent::Budget(6)));
    // Somebody else uses the account, too: one is left where we would have counted three.
    b.report(&owner(), &News::Left { date: 20_000, remaining: 1, budget: Some(9) }).unwrap();
    assert!(goes(&a, &budget(9)));
    assert!(goes(&a, &budget(9)), "one may ask whether that is still so");
    assert_eq!(b.take(&owner(), &budget(9)).unwrap(), Taken::Spent(Spent::Vendor));
    // Tomorrow, and for others, all is new.
    assert!(goes(&b, &Ask { date: 20_001, ..budget(9) }));
    a.report(&owner(), &News::Announced(250_000)).unwrap();
    b.report(&owner(), &News::Zone("Asia/Tokyo".into())).unwrap();
    let facts = Facts { announced: Some(250_000), zone: Some("Asia/Tokyo".into()) };
    assert_eq!(a.facts(&owner()).unwrap(), facts);
}

#[test]
fn many_processes_make_one_file_and_lose_no_count() {
    let home = Home::new();
    let dir = home.path().join("state");
    let each = || (0..25).filter(|_| goes(&Quotas::in_folder(&dir), &budget(60))).count();
    let total: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(each)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(total, 60);
}

#[test]
fn a_reader_keeps_to_what_others_wrote_and_writes_nothing() {
    let home = Home::new();
    let nothing = Quotas::read(home.path(), None);
    assert!(goes(&nothing, &ask(1, 60_000)) && !goes(&nothing, &ask(1, 60_000)));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);

    drop(State::open(home.path()).unwrap());
    let writer = Quotas::in_folder(home.path());
    assert!(goes(&writer, &ask(3, 60_000)));
    let file = home.path().join("state.db");
    let before = fs::read(&file).unwrap();
    let reader = Quotas::read(home.path(), None);
    reader.report(&owner(), &News::Announced(7)).unwrap();
    assert_eq!(reader.sent_within(&owner(), Duration::from_secs(5)).unwrap(), 1);
    assert!(goes(&reader, &ask(3, 60_000)));
    assert_eq!(reader.sent_within(&owner(), Duration::from_secs(5)).unwrap(), 2);
    assert!(!goes(&reader, &ask(1, 60_000)));
    assert_eq!(fs::read(&file).unwrap(), before);
    assert_eq!(writer.facts(&owner()).unwrap(), Facts::default());
}

#[test]
fn a_book_that_nobody_asks_is_not_even_made() {
    let home = Home::new();
    let dir = home.path().join("state");
    drop(Quotas::in_folder(&dir));
    assert!(!dir.exists());
}

#[test]
fn a_shared_file_is_its_owners_alone_and_must_be_writable() {
    let home = Home::new();
    let path = home.path().join("deep/limits.db");
    drop(Quotas::shared(&path).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let error = Quotas::shared(home.path()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::State, "{error}");
    fs::write(home.path().join("other"), "not a database at all, but longer than a header").unwrap();
    let error = Quotas::shared(&home.path().join("other")).unwrap_err();
    assert_eq!(error.kind, ErrorKind::State, "{error}");
    assert!(error.hint.is_some() && error.message.contains("other"), "{error}");
    let error = Quotas::shared(Path::new("/proc/1/nothing/limits.db")).unwrap_err();
    assert!(error.message.contains("/proc/1/nothing"), "{error}");
}

#[test]
fn trouble_with_the_file_comes_out_as_it_is() {
    let home = Home::new();
    fs::create_dir(home.path().join("state.db")).unwrap();
    let error = Quotas::in_folder(home.path()).take(&owner(), &ask(1, 1000)).unwrap_err();
    let shown = Error::destination(&error);
    assert_eq!(shown.kind, ErrorKind::State, "{shown}");
    assert!(shown.message.contains("state.db") && shown.hint.is_some(), "{shown}");
}
