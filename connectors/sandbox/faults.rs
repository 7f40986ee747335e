//! Faults on request: which of the declared ones strikes a request, counted exactly.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::keys::{known_keys, list, object};

/// What a fault does to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Answers this status with the vendor's error body; the request has no effect.
    Status {
        /// The HTTP status.
        code: u16,
        /// Seconds in a `Retry-After` header; `None` sends no such header.
        retry_after: Option<u64>,
    },
    /// The request takes effect, then the connection is cut without an answer.
    LostAck,
    /// The request takes effect, half of the answer's body is sent, then the connection is cut.
    Truncate,
    /// The request takes effect, the answer is a 200 with a page that is not JSON.
    Garbage,
    /// Never answers, and the request has no effect; ends when the client gives up.
    Hang,
    /// Answers after this time: `ms` in milliseconds, or a second.
    Delay(Duration),
}

impl FaultKind {
    /// The word of `do`.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::Status { .. } => "status",
            FaultKind::LostAck => "lost_ack",
            FaultKind::Truncate => "truncate",
            FaultKind::Garbage => "garbage",
            FaultKind::Hang => "hang",
            FaultKind::Delay(_) => "delay",
        }
    }
}

/// A declared fault: `{do: lost_ack, path: batch/upsert, rate: 0.03, times: 20, seed: 1}`.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultSpec {
    /// What it does.
    pub kind: FaultKind,
    /// Only requests whose path contains this, with the vendor's prefix or without.
    pub path: Option<String>,
    /// The share of matching requests it strikes, 0 to 1.
    pub rate: f64,
    /// At most this many times.
    pub times: Option<u64>,
    /// The beginning of its random numbers.
    pub seed: u64,
}

const WORDS: [&str; 6] = ["status", "lost_ack", "truncate", "garbage", "hang", "delay"];

impl FaultSpec {
    pub(super) fn parse(fault: &Json, place: &str) -> Result<Self, String> {
        let entries = object(fault, &format!("`{place}`"))?;
        let keys = ["do", "code", "retry_after", "path", "rate", "times", "seed", "ms"];
        known_keys(entries, &keys, &format!("{place}."))?;
        let number = |name: &str| match entries.get(name) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(number) => Ok(Some(number)),
                None => Err(format!("`{place}.{name}` must be a whole number, not negative")),
            },
        };
        let kind = match entries.get("do").and_then(Json::as_str) {
            Some("status") => {
                let code = number("code")?
                    .and_then(|code| u16::try_from(code).ok())
                    .filter(|code| (400..600).contains(code))
                    .ok_or_else(|| format!("`{place}.code` must be an HTTP status from 400 to 599"))?;
                FaultKind::Status { code, retry_after: number("retry_after")? }
            }
            Some("lost_ack") => FaultKind::LostAck,
            Some("truncate") => FaultKind::Truncate,
            Some("garbage") => FaultKind::Garbage,
            Some("hang") => FaultKind::Hang,
            Some("delay") => FaultKind::Delay(Duration::from_millis(number("ms")?.unwrap_or(1_000))),
            _ => return Err(format!("`{place}.do` must be one of {}", list(&WORDS))),
        };
        let misplaced = |name: &str, wants: &str| {
            (entries.contains_key(name) && kind.name() != wants)
                .then(|| format!("`{place}.{name}` belongs to `do: {wants}`, not to `do: {}`", kind.name()))
        };
        if let Some(message) =
            misplaced("code", "status").or(misplaced("retry_after", "status")).or(misplaced("ms", "delay"))
        {
            return Err(message);
        }
        let path = match entries.get("path") {
            None => None,
            Some(Json::String(path)) => Some(path.clone()),
            Some(_) => return Err(format!("`{place}.path` must be text")),
        };
        let rate = entries.get("rate").map_or(Some(1.0), Json::as_f64).filter(|r| (0.0..=1.0).contains(r));
        let rate = rate.ok_or_else(|| format!("`{place}.rate` must be a number from 0 to 1"))?;
        Ok(FaultSpec { kind, path, rate, times: number("times")?, seed: number("seed")?.unwrap_or(0) })
    }
}

struct Armed {
    spec: FaultSpec,
    random: u64,
    fired: u64,
}

/// One vendor's faults at run time.
pub(super) struct Faults(Mutex<Vec<Armed>>);

impl Faults {
    pub(super) fn new(specs: Vec<FaultSpec>) -> Self {
        let arm = |spec: FaultSpec| Armed { random: spec.seed, spec, fired: 0 };
        Faults(Mutex::new(specs.into_iter().map(arm).collect()))
    }

    /// The first declared fault that strikes this request; it counts as fired. The path begins with the vendor's prefix.
    pub(super) fn strike(&self, path: &str) -> Option<FaultKind> {
        let mut faults = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        faults.iter_mut().find_map(|fault| {
            let spec = &fault.spec;
            if spec.path.as_ref().is_some_and(|part| !path.contains(part.as_str()))
                || spec.times.is_some_and(|times| fault.fired >= times)
                || next_random(&mut fault.random) >= spec.rate
            {
                return None;
            }
            fault.fired += 1;
            Some(spec.kind)
        })
    }

    /// Each fault with how often it fired.
    pub(super) fn counts(&self) -> Vec<(FaultKind, Json)> {
        let faults = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        faults
            .iter()
            .map(|f| (f.spec.kind, json!({"do": f.spec.kind.name(), "path": f.spec.path, "fired": f.fired})))
            .collect()
    }
}

/// The next number in 0..1 of SplitMix64, which needs no more state than its seed.
fn next_random(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(specs: &[Json]) -> Faults {
        Faults::new(specs.iter().map(|spec| FaultSpec::parse(spec, "faults[0]").unwrap()).collect())
    }

    fn strikes(faults: &Faults, requests: usize) -> Vec<bool> {
        (0..requests)
            .map(|_| faults.strike("/hubspot/crm/v3/objects/contacts/batch/upsert").is_some())
            .collect()
    }

    #[test]
    fn a_rate_is_kept_and_repeats_with_its_seed() {
        let first = strikes(&faults(&[json!({"do": "lost_ack", "rate": 0.03, "seed": 1})]), 10_000);
        let again = strikes(&faults(&[json!({"do": "lost_ack", "rate": 0.03, "seed": 1})]), 10_000);
        let other = strikes(&faults(&[json!({"do": "lost_ack", "rate": 0.03, "seed": 2})]), 10_000);
        let struck = first.iter().filter(|struck| **struck).count();
        assert!((250..350).contains(&struck), "{struck}");
        assert_eq!(first, again);
        assert_ne!(first, other);
    }

    #[test]
    fn path_and_times_bound_a_fault_and_the_next_takes_over() {
        let faults = faults(&[
            json!({"do": "hang", "path": "batch/archive"}),
            json!({"do": "status", "code": 423, "times": 2}),
            json!({"do": "garbage", "rate": 0}),
        ]);
        assert_eq!(strikes(&faults, 4), [true, true, false, false]);
        let fired: Vec<_> = faults.counts().into_iter().map(|(_, count)| count["fired"].clone()).collect();
        assert_eq!(fired, [0, 2, 0]);
    }

    #[test]
    fn a_delay_is_a_second_unless_it_is_set() {
        for (fault, millis) in [(json!({"do": "delay"}), 1_000), (json!({"do": "delay", "ms": 80}), 80)] {
            let kind = FaultSpec::parse(&fault, "faults[0]").unwrap().kind;
            assert_eq!(kind, FaultKind::Delay(Duration::from_millis(millis)), "{fault}");
        }
    }

    #[test]
    fn mistakes_are_refused() {
        for (fault, part) in [
            (json!({"code": 500}), "`faults[0].do` must be one of `status`"),
            (json!({"do": "status"}), "`faults[0].code`"),
            (json!({"do": "status", "code": 200}), "`faults[0].code`"),
            (json!({"do": "hang", "code": 500}), "`faults[0].code` belongs to `do: status`"),
            (json!({"do": "delay", "ms": -1}), "`faults[0].ms` must be a whole number"),
            (json!({"do": "hang", "rate": 1.5}), "`faults[0].rate`"),
            (json!({"do": "hang", "rate": "x"}), "`faults[0].rate`"),
            (json!({"do": "hang", "time": 1}), "unknown key `faults[0].time`"),
        ] {
            let error = FaultSpec::parse(&fault, "faults[0]").unwrap_err();
            assert!(error.contains(part), "{fault}: {error}");
        }
    }
}
