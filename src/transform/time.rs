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
}
