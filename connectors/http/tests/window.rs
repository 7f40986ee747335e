//! The window under simulated processes: one log, many senders, a network that does not carry all requests equally fast.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use proptest::prelude::*;

use crate::contract::RateLimit;
use crate::http::book::MemoryLog;
use crate::http::window::{self, Lane, Log, Rules};

fn rate(requests: u32, millis: u64) -> RateLimit {
    RateLimit { requests, per: Duration::from_millis(millis) }
}

fn rules(rate: RateLimit) -> Rules {
    Rules { all: vec![rate], background: Vec::new() }
}

/// The most times in any half-open window of this length.
fn densest(times: &[Duration], window: Duration) -> usize {
    let mut times = times.to_vec();
    times.sort();
    let inside =
        |(at, from): (usize, &Duration)| times[at..].iter().take_while(|t| **t < *from + window).count();
    times.iter().enumerate().map(inside).max().unwrap_or(0)
}

/// xorshift64*: the same seed gives the same run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % end.max(1)
    }
}

/// Some processes that send as fast as they may, each with some requests in flight.
struct Crowd {
    rate: RateLimit,
    /// Requests in flight over all processes; each is a sender of its own here.
    senders: usize,
    latency: u64,
    jitter: u64,
    /// Longest pause between an answer and the next wish.
    idle: u64,
    seed: u64,
}

impl Crowd {
    /// When the server saw each request, over this time.
    fn arrivals(&self, time: Duration) -> Vec<Duration> {
        let (mut random, mut log) = (Random(self.seed | 1), MemoryLog::default());
        let rules = rules(self.rate);
        let mut events: BinaryHeap<_> =
            (0..self.senders).map(|sender| Reverse((Duration::ZERO, sender))).collect();
        let mut arrivals = Vec::new();
        while let Some(Reverse((now, sender))) = events.pop().filter(|Reverse((at, _))| *at < time) {
            let Ok(wait) = window::wait(&log, &rules, now);
            let next = match wait {
                // Timers fire late.
                Some(wait) => wait + Duration::from_micros(random.below(2000)),
                None => {
                    let Ok(_) = window::enter(&mut log, &rules, now);
                    let jitter = Duration::from_millis(random.below(self.jitter + 1));
                    arrivals.push(now + jitter);
                    jitter + Duration::from_millis(self.latency + random.below(self.idle + 1))
                }
            };
            events.push(Reverse((now + next, sender)));
        }
        arrivals
    }
}

#[test]
fn nearly_all_of_the_rate_is_used_and_never_more() {
    let time = Duration::from_secs(30);
    for (senders, rate) in [(4, rate(190, 10_000)), (16, rate(190, 10_000)), (16, rate(100, 10_000))] {
        for seed in 1..=20 {
            let crowd = Crowd { rate, senders, latency: 120, jitter: 80, idle: 0, seed };
            let arrivals = crowd.arrivals(time);
            assert!(densest(&arrivals, rate.per) <= rate.requests as usize, "{senders} senders, seed {seed}");
            let used = arrivals.len() as f64 / (f64::from(rate.requests) * 3.0);
            assert!(used >= 0.98, "{senders} senders, seed {seed}: {used}");
        }
    }
}

#[test]
fn a_longer_window_of_the_user_does_not_open_the_vendors() {
    let both = [rate(1000, 100_000), rate(100, 10_000)];
    let rules = Rules { all: both.to_vec(), background: Vec::new() };
    let times = sent(&rules, 1200);
    assert_eq!(both.map(|rate| densest(&times, rate.per)), [1000, 100]);
}

/// When so many requests leave that are all wanted at once.
fn sent(rules: &Rules, count: usize) -> Vec<Duration> {
    let (mut log, mut now) = (MemoryLog::default(), Duration::from_secs(5));
    let mut times = Vec::new();
    while times.len() < count {
        let Ok(wait) = window::wait(&log, rules, now);
        match wait {
            Some(wait) => now += wait,
            None => {
                let Ok(_) = window::enter(&mut log, rules, now);
                times.push(now);
            }
        }
    }
    times
}

#[test]
fn what_is_kept_is_bounded_and_enough() {
    let rules = rules(rate(10, 1000));
    let times = sent(&rules, 500);
    assert_eq!(densest(&times, Duration::from_millis(1099)), 10);
    let mut log = MemoryLog::default();
    for at in 0..500 {
        let Ok(_) = window::enter(&mut log, &rules, Duration::from_secs(at));
    }
    let kept = (1..=500).filter(|number| matches!(log.at(Lane::All, *number), Ok(Some(_)))).count();
    assert_eq!(kept, 3);
    let Ok(ours) = window::sent_since(&log, Duration::from_secs(497));
    assert_eq!(ours, 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever the rate, the processes, their pauses and the network, no window of the server holds more than the limit.
    #[test]
    fn no_window_is_ever_too_full(
        requests in 1u32..60, millis in 200u64..4000, senders in 1usize..24,
        latency in 0u64..300, jitter in 0u64..100, idle in 0u64..900, seed in any::<u64>(),
    ) {
        let rate = rate(requests, millis);
        let arrivals = Crowd { rate, senders, latency, jitter, idle, seed }.arrivals(Duration::from_secs(20));
        prop_assert!(densest(&arrivals, rate.per) <= requests as usize);
    }

    /// The background never has more than its part, the rest is open to all, and together they keep the limit.
    #[test]
    fn the_background_keeps_to_its_share(
        requests in 4u32..60, percent in 10u32..90, order in proptest::collection::vec(any::<bool>(), 200..400),
    ) {
        let whole = rate(requests, 1000);
        let part = rate((requests * percent / 100).max(1), 1000);
        let background = Rules { all: vec![whole], background: vec![part] };
        let (mut log, mut now) = (MemoryLog::default(), Duration::ZERO);
        let (mut all, mut some) = (Vec::new(), Vec::new());
        for low in order {
            let rules = if low { background.clone() } else { rules(whole) };
            while let Ok(Some(wait)) = window::wait(&log, &rules, now) {
                now += wait;
            }
            let Ok(_) = window::enter(&mut log, &rules, now);
            all.push(now);
            if low {
                some.push(now);
            }
        }
        prop_assert!(densest(&all, whole.per) <= requests as usize);
        prop_assert!(densest(&some, part.per) <= part.requests as usize);
    }
}
