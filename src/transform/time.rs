//! Dates and times from text and from wall-clock times.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

/// What a text says about time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// A wall-clock time without a zone; midnight if only a date was given.
    Wall(civil::DateTime),
    /// A time with an offset.
    Instant(Timestamp),
}

/// Reads ISO 8601 and its usual relatives: `2009-01-31`, `20090131`, a `T` or a space before the time, fractions of
/// a second, `Z`, `+09:00`, `+0900`, ` UTC`. Other digits-only text, zones in brackets and other orders are refused.
pub(super) fn parse(text: &str) -> Option<Moment> {
    let text = text.trim();
    if !text.is_ascii() || text.contains('[') || text.len() < 8 {
        return None;
    }
    let digits_only = text.bytes().all(|b| b.is_ascii_digit());
    if digits_only && text.len() != 8 {
        return None;
    }
    let date = if text.as_bytes()[4] == b'-' { 10 } else { 8 };
    let tail = text.get(date..)?;
    if tail.contains(['+', '-', 'Z', 'z', 'U']) {
        return with_offset(text).map(Moment::Instant);
    }
    text.parse::<civil::DateTime>().ok().map(Moment::Wall)
}

fn with_offset(text: &str) -> Option<Timestamp> {
    if let Some(wall) = text.strip_suffix(" UTC") {
        return wall.parse::<civil::DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|z| z.timestamp());
    }
    let joined = text.replacen(" +", "+", 1).replacen(" -", "-", 1).replacen(" Z", "Z", 1);
    joined.parse().ok()
}

/// A date alone in the form `2009-01-31`; all other forms are left to [`parse`].
pub(super) fn plain_date(text: &str) -> Option<civil::Date> {
    let &[a, b, c, d, b'-', e, f, b'-', g, h] = text.as_bytes() else { return None };
    let year = i16::from(two(a, b)?) * 100 + i16::from(two(c, d)?);
    civil::Date::new(year, two(e, f)?, two(g, h)?).ok()
}

/// Seconds since 1970 and nanoseconds of the same sign, from `2009-01-31 23:59:00` with a `T` or a space and up to nine
/// digits of a fraction, as read in UTC; all other forms are left to [`parse`].
pub(super) fn plain_seconds(text: &str) -> Option<(i64, i32)> {
    let date = plain_date(text.get(..10)?)?;
    let &[b' ' | b'T', a, b, b':', c, d, b':', e, f, ref fraction @ ..] = &text.as_bytes()[10..] else {
        return None;
    };
    let (hour, minute, second) = (two(a, b)?, two(c, d)?, two(e, f)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanoseconds = match fraction {
        [] => 0,
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) => {
            let zeros = 9 - digits.len() as u32;
            digits.iter().fold(0, |n, digit| n * 10 + i32::from(digit - b'0')) * 10_i32.pow(zeros)
        }
        _ => return None,
    };
    let of_day = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    let seconds = days(date) * 86_400 + of_day;
    Some(match seconds < 0 && nanoseconds > 0 {
        true => (seconds + 1, nanoseconds - 1_000_000_000),
        false => (seconds, nanoseconds),
    })
}

fn two(tens: u8, ones: u8) -> Option<i8> {
    let both = tens.is_ascii_digit() && ones.is_ascii_digit();
    both.then(|| ((tens - b'0') * 10 + (ones - b'0')) as i8)
}

/// Days since 1970-01-01. Counted from March, so that a leap day ends its year.
fn days(date: civil::Date) -> i64 {
    let (month, day) = (i64::from(date.month()), i64::from(date.day()));
    let year = i64::from(date.year()) - i64::from(month <= 2);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + of_year - 719_468
}

/// Seconds since 1970 that are far from the ends of the calendar: the years 0001 to 9986.
pub(super) const ORDINARY: std::ops::Range<i64> = -62_135_596_800..253_000_000_000;

/// An instant as RFC 3339 has it, in UTC and with no more digits than it needs.
pub(super) struct Stamp {
    bytes: [u8; 30],
    length: usize,
}

impl Stamp {
    /// From seconds since 1970 and nanoseconds of the same sign; `None` beyond [`ORDINARY`].
    pub(super) fn new(seconds: i64, nanoseconds: i32) -> Option<Self> {
        let (seconds, nanoseconds) = match nanoseconds < 0 {
            true => (seconds - 1, nanoseconds + 1_000_000_000),
            false => (seconds, nanoseconds),
        };
        if !ORDINARY.contains(&seconds) {
            return None;
        }
        let (year, month, day) = civil_of(seconds.div_euclid(86_400));
        let of_day = seconds.rem_euclid(86_400) as u32;
        let mut bytes = *b"0000-00-00T00:00:00.000000000Z";
        [bytes[0], bytes[1]] = digits(year / 100);
        [bytes[2], bytes[3]] = digits(year % 100);
        [bytes[5], bytes[6]] = digits(month);
        [bytes[8], bytes[9]] = digits(day);
        [bytes[11], bytes[12]] = digits(of_day / 3_600);
        [bytes[14], bytes[15]] = digits(of_day / 60 % 60);
        [bytes[17], bytes[18]] = digits(of_day % 60);
        let mut length = 19;
        if nanoseconds > 0 {
            let mut rest = nanoseconds as u32;
            for digit in bytes[20..29].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            length = bytes[..29].iter().rposition(|byte| *byte != b'0').map_or(29, |last| last + 1);
        }
        bytes[length] = b'Z';
        Some(Stamp { bytes, length: length + 1 })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Of a number below 100.
fn digits(number: u32) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

/// Year, month and day of the days since 1970-01-01; what [`days`] counts, read back.
fn civil_of(days: i64) -> (u32, u32, u32) {
    let days = (days + 719_468) as u32; // from 0000-03-01 on, and after it
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u32::from(month <= 2), month, day)
}

/// The instant of a wall-clock time: in the source's `timezone`, else UTC. In a gap (spring) the later time is meant,
/// in a fold (autumn) the earlier, as RFC 5545 has it. `None` at the edges of the calendar.
pub(super) fn instant(wall: civil::DateTime, timezone: Option<&TimeZone>) -> Option<Timestamp> {
    let zone = timezone.cloned().unwrap_or(TimeZone::UTC);
    zone.to_ambiguous_timestamp(wall).compatible().ok()
}

/// The wall-clock time of an instant: in the source's `timezone`, else UTC.
pub(super) fn wall(instant: Timestamp, timezone: Option<&TimeZone>) -> civil::DateTime {
    timezone.unwrap_or(&TimeZone::UTC).to_datetime(instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant_of(text: &str) -> Option<String> {
        match parse(text)? {
            Moment::Instant(t) => Some(t.to_string()),
            Moment::Wall(w) => Some(format!("{w} wall")),
        }
    }

    #[test]
    fn reads_iso_8601_in_its_variants() {
        for (text, read) in [
            ("2009-01-01", "2009-01-01T00:00:00 wall"),
            ("20090101", "2009-01-01T00:00:00 wall"),
            ("2009-01-01 00:00:00", "2009-01-01T00:00:00 wall"),
            (" 2009-01-01T01:02 ", "2009-01-01T01:02:00 wall"),
            ("2009-01-01T01:02:03.500", "2009-01-01T01:02:03.5 wall"),
            ("2009-01-01T01:02:03Z", "2009-01-01T01:02:03Z"),
            ("2009-01-01t01:02:03z", "2009-01-01T01:02:03Z"),
            ("2009-01-01 01:02:03 UTC", "2009-01-01T01:02:03Z"),
            ("2009-01-01 01:02:03+09", "2008-12-31T16:02:03Z"),
            ("2009-01-01 01:02:03.25 +0900", "2008-12-31T16:02:03.25Z"),
            ("2009-01-01T01:02:03-05:30", "2009-01-01T06:32:03Z"),
            ("20090101T010203Z", "2009-01-01T01:02:03Z"),
        ] {
            assert_eq!(instant_of(text).as_deref(), Some(read), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_date() {
        for text in [
            "",
            "yesterday",
            "1230768000",
            "1230768000000",
            "2009-13-01",
            "2009-02-29",
            "01/02/2009",
            "2009-01-01T25:00:00",
            "2009-01-01T01:02:03[Asia/Tokyo]",
            "2009-01-01 01:02:03 PST",
            "12:00:00",
            "2009-01-01Z",
            "２００９-01-01",
            "20090101 UTC x",
        ] {
            assert_eq!(instant_of(text), None, "{text}");
        }
    }

    #[test]
    fn stamps_are_what_the_calendar_says() {
        let step = 86_400 * 97 + 3_661;
        for (n, seconds) in (ORDINARY.start..ORDINARY.end).step_by(step).enumerate() {
            let nanoseconds = [0, 1, 500_000_000, 123_456_789, 999_999_000][n % 5];
            let nanoseconds = if seconds < 0 { -nanoseconds } else { nanoseconds };
            let stamp = Stamp::new(seconds, nanoseconds);
            let expected = Timestamp::new(seconds, nanoseconds).unwrap().to_string();
            let found = stamp.map(|stamp| String::from_utf8(stamp.as_bytes().to_vec()).unwrap());
            // The very first second has no earlier one to borrow from.
            assert!(found.as_ref() == Some(&expected) || n == 0 && found.is_none(), "{expected}: {found:?}");
        }
        assert!(Stamp::new(ORDINARY.end, 0).is_none() && Stamp::new(ORDINARY.start - 1, 0).is_none());
    }
}
