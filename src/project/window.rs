//! The hours in which a sync may send.

use std::fmt;

use jiff::civil::Time;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

use super::units;

/// `08:00-21:00 Asia/Tokyo`: from a time of day to another one, which may be of the next day.
#[derive(Debug, Clone, PartialEq)]
pub struct SendWindow {
    from: Time,
    to: Time,
    timezone: TimeZone,
    /// As it was written.
    text: String,
}

/// Whether a window is open, and when that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    Open { until: Timestamp },
    Closed { until: Timestamp },
}

impl SendWindow {
    /// `None` for what is no window. Without a zone the times are in UTC.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (hours, zone) = text.split_once(char::is_whitespace).unwrap_or((text, "UTC"));
        let (from, to) = hours.split_once('-')?;
        let (from, to) = (units::time_of_day(from)?, units::time_of_day(to)?);
        let timezone = TimeZone::get(zone.trim()).ok()?;
        (from != to).then(|| SendWindow { from, to, timezone, text: text.to_owned() })
    }

    /// How the window is at this moment.
    pub fn at(&self, now: Timestamp) -> Opening {
        let local = now.to_zoned(self.timezone.clone());
        let time = local.time();
        let is_open = match self.from < self.to {
            true => self.from <= time && time < self.to,
            false => self.from <= time || time < self.to,
        };
        let until = self.next(now, if is_open { self.to } else { self.from });
        if is_open { Opening::Open { until } } else { Opening::Closed { until } }
    }

    /// The next moment with this time of day; one that a change of the clocks leaves out is the one after it.
    fn next(&self, now: Timestamp, time: Time) -> Timestamp {
        let today = now.to_zoned(self.timezone.clone()).date();
        let days = (0..3).filter_map(|days| today.checked_add(days.days()).ok());
        // A time that a change of the clocks repeats comes twice.
        let moments = days.flat_map(|day| {
            let local = self.timezone.to_ambiguous_zoned(day.to_datetime(time));
            let second =
                matches!(local.offset(), AmbiguousOffset::Fold { .. }).then(|| local.clone().later());
            [Some(local.compatible()), second].into_iter().flatten().flatten()
        });
        moments.map(|moment| moment.timestamp()).find(|moment| *moment > now).unwrap_or(now)
    }

    /// A moment as the window's own clock shows it.
    pub fn local(&self, moment: Timestamp) -> String {
        moment.to_zoned(self.timezone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()
    }
}

impl fmt::Display for SendWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(window: &str, now: &str) -> Opening {
        SendWindow::parse(window).unwrap().at(now.parse().unwrap())
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_opens_and_closes_by_its_own_clock() {
        let day = "08:00-21:00 Asia/Tokyo";
        let open = Opening::Open { until: time("2026-11-29T12:00:00Z") };
        assert_eq!(at(day, "2026-11-28T23:00:00Z"), open);
        assert_eq!(at(day, "2026-11-29T11:59:59Z"), open);
        let closed = Opening::Closed { until: time("2026-11-29T23:00:00Z") };
        assert_eq!(at(day, "2026-11-29T12:00:00Z"), closed);
        assert_eq!(at(day, "2026-11-29T22:59:59Z"), closed);
    }

    #[test]
    fn a_window_may_last_over_midnight() {
        let night = "22:00-06:30";
        for now in ["2026-11-29T22:00:00Z", "2026-11-30T06:29:00Z"] {
            assert_eq!(at(night, now), Opening::Open { until: time("2026-11-30T06:30:00Z") }, "{now}");
        }
        assert_eq!(
            at(night, "2026-11-30T06:30:00Z"),
            Opening::Closed { until: time("2026-11-30T22:00:00Z") }
        );
    }

    #[test]
    fn a_changed_clock_moves_the_window() {
        // In Berlin the hour from two to three is left out on 2026-03-29.
        let window = "02:30-04:00 Europe/Berlin";
        assert_eq!(
            at(window, "2026-03-29T00:00:00Z"),
            Opening::Closed { until: time("2026-03-29T01:30:00Z") }
        );
        assert_eq!(
            at("08:00-21:00 Europe/Berlin", "2026-03-29T06:00:00Z"),
            Opening::Open { until: time("2026-03-29T19:00:00Z") }
        );
    }

    #[test]
    fn an_hour_that_comes_twice_has_the_end_of_a_window_twice() {
        let window = "22:00-02:30 Europe/Berlin";
        let until = |time_of| Opening::Open { until: time(time_of) };
        assert_eq!(at(window, "2026-10-25T00:10:00Z"), until("2026-10-25T00:30:00Z"));
        assert_eq!(at(window, "2026-10-25T01:10:00Z"), until("2026-10-25T01:30:00Z"));
    }

    #[test]
    fn what_is_no_window_is_none() {
        for text in
            ["", "08:00", "08:00-08:00", "8-21", "08:00-25:00", "08:00-21:00 Mars/Olympus", "08:00 - 21:00"]
        {
            assert_eq!(SendWindow::parse(text), None, "{text}");
        }
    }
}
