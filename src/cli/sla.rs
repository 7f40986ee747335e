//! Whether a sync is late.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

use crate::project::Sla;

/// Late is a sync without a success since the deadline before the last one, or with one older than `max_age`.
pub fn is_late(sla: &Sla, last_success: Option<Timestamp>, now: Timestamp) -> bool {
    let Some(success) = last_success else { return true };
    // A success to come was recorded by a clock that was wrong: its age is not known, and no reason to be calm.
    let too_old = sla.max_age.is_some_and(|most| {
        SignedDuration::try_from(most).is_ok_and(|most| now.duration_since(success).abs() > most)
    });
    too_old || missed(sla, now).is_some_and(|since| success <= since)
}

/// A success is due after this time: the deadline before the one that passed last.
fn missed(sla: &Sla, now: Timestamp) -> Option<Timestamp> {
    let finish_by = sla.finish_by?;
    let zone = TimeZone::get(&sla.timezone).unwrap_or(TimeZone::UTC);
    let here: Zoned = now.to_zoned(zone);
    let today = here.with().time(finish_by).build().ok()?;
    let days = if today <= here { 1 } else { 2 };
    Some(today.checked_sub(days.days()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn finish_by_is_a_time_of_day_in_its_zone() {
        let sla = Sla {
            finish_by: Some(jiff::civil::time(8, 0, 0, 0)),
            timezone: "Asia/Tokyo".into(),
            max_age: None,
        };
        // 08:00 in Tokyo is 23:00 UTC of the day before.
        for (success, now, late) in [
            (None, "2026-11-20T00:00:00Z", true),
            (Some("2026-11-19T22:30:00Z"), "2026-11-19T23:30:00Z", false),
            (Some("2026-11-19T01:00:00Z"), "2026-11-19T22:59:00Z", false),
            (Some("2026-11-18T23:30:00Z"), "2026-11-19T23:30:00Z", false),
            (Some("2026-11-18T22:30:00Z"), "2026-11-19T23:30:00Z", true),
            (Some("2026-11-18T22:30:00Z"), "2026-11-19T22:30:00Z", false),
        ] {
            assert_eq!(is_late(&sla, success.map(at), at(now)), late, "{success:?} at {now}");
        }
    }

    #[test]
    fn max_age_counts_from_the_last_success() {
        let sla = Sla { finish_by: None, timezone: "UTC".into(), max_age: Some(Duration::from_secs(7_200)) };
        assert!(!is_late(&sla, Some(at("2026-11-20T06:00:00Z")), at("2026-11-20T08:00:00Z")));
        assert!(is_late(&sla, Some(at("2026-11-20T06:00:00Z")), at("2026-11-20T08:00:01Z")));
        assert!(is_late(&sla, None, at("2026-11-20T08:00:01Z")));
        assert!(!is_late(&sla, Some(at("2026-11-20T08:01:00Z")), at("2026-11-20T08:00:00Z")));
        assert!(is_late(&sla, Some(at("2026-11-21T08:00:00Z")), at("2026-11-20T08:00:00Z")));
    }
}
