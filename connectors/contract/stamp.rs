//! Days and instants as texts, digit by digit: what `jiff` writes, several times as fast.

use std::io::Write;
use std::ops::Range;

use jiff::{Timestamp, civil};

/// Appends a day as ISO 8601 has it.
///
/// ```
/// use outflow_connectors::contract::write_date;
///
/// let mut out = Vec::new();
/// write_date(jiff::civil::date(2009, 1, 31), &mut out);
/// assert_eq!(out, b"2009-01-31");
/// ```
pub fn write_date(date: civil::Date, out: &mut Vec<u8>) {
    let (Ok(year), Ok(month), Ok(day)) =
        (u32::try_from(date.year()), u32::try_from(date.month()), u32::try_from(date.day()))
    else {
        let _ = write!(out, "{date}"); // writing to memory cannot fail
        return;
    };
    let mut bytes = *b"0000-00-00";
    put_date((year, month, day), &mut bytes);
    out.extend_from_slice(&bytes);
}

/// Appends an instant as RFC 3339 has it, in UTC and with no more digits than it needs.
pub fn write_time(time: Timestamp, out: &mut Vec<u8>) {
    if write_seconds(time.as_second(), time.subsec_nanosecond(), out).is_none() {
        let _ = write!(out, "{time}"); // writing to memory cannot fail
    }
}

/// Seconds since 1970 that are far from the ends of the calendar: the years 0001 to 9986.
pub const ORDINARY_SECONDS: Range<i64> = -62_135_596_800..253_000_000_000;

/// As [`write_time`], from seconds since 1970 and nanoseconds of the same sign: the bytes appended, or `None` beyond
/// [`ORDINARY_SECONDS`], and then none were.
pub fn write_seconds(seconds: i64, nanoseconds: i32, out: &mut Vec<u8>) -> Option<usize> {
    let (seconds, nanoseconds) = match nanoseconds < 0 {
        true => (seconds.checked_sub(1)?, nanoseconds + 1_000_000_000),
        false => (seconds, nanoseconds),
    };
    if !ORDINARY_SECONDS.contains(&seconds) {
        return None;
    }
    // From the year 1 on, so that all that follows is of numbers without a sign.
    let since = (seconds - ORDINARY_SECONDS.start) as u64;
    let of_day = (since % 86_400) as u32;
    let start = out.len();
    // In its place at once: what was just written byte by byte is slow to copy.
    out.extend_from_slice(b"0000-00-00T00:00:00.000000000Z");
    let bytes: &mut [u8; 30] = out[start..].first_chunk_mut()?;
    put_date(civil_of((since / 86_400) as u32 + DAYS_TO_YEAR_1), bytes);
    [bytes[11], bytes[12]] = digits(of_day / 3_600);
    [bytes[14], bytes[15]] = digits(of_day / 60 % 60);
    [bytes[17], bytes[18]] = digits(of_day % 60);
    let length = if nanoseconds == 0 { 19 } else { put_fraction(nanoseconds as u32, bytes) };
    bytes[length] = b'Z';
    out.truncate(start + length + 1);
    Some(length + 1)
}

/// Puts the nine digits behind the point; where the last one is that counts ends.
fn put_fraction(nanoseconds: u32, bytes: &mut [u8; 30]) -> usize {
    bytes[20] = b'0' + (nanoseconds / 100_000_000) as u8;
    for (place, unit) in [(21, 1_000_000), (23, 10_000), (25, 100), (27, 1)] {
        [bytes[place], bytes[place + 1]] = digits(nanoseconds / unit % 100);
    }
    bytes[..29].iter().rposition(|byte| *byte != b'0').map_or(29, |last| last + 1)
}

/// Puts the digits of a year of four digits, a month and a day where they belong.
fn put_date((year, month, day): (u32, u32, u32), bytes: &mut [u8]) {
    [bytes[0], bytes[1]] = digits(year / 100);
    [bytes[2], bytes[3]] = digits(year % 100);
    [bytes[5], bytes[6]] = digits(month);
    [bytes[8], bytes[9]] = digits(day);
}

/// Of a number below 100.
fn digits(number: u32) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

/// Days from 0000-03-01 to 0001-01-01.
const DAYS_TO_YEAR_1: u32 = 306;

/// Year, month and day of the days since 0000-03-01: counted from March, a leap day ends its year.
fn civil_of(days: u32) -> (u32, u32, u32) {
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u32::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// Behind what is there, which stays.
    fn of_seconds(seconds: i64, nanoseconds: i32) -> Option<String> {
        let mut out = b"at ".to_vec();
        let written = write_seconds(seconds, nanoseconds, &mut out);
        assert_eq!(written.unwrap_or(0) + 3, out.len());
        written.map(|_| String::from_utf8(out).unwrap().strip_prefix("at ").unwrap().to_owned())
    }

    #[test]
    fn stamps_are_what_the_calendar_says() {
        let step = 86_400 * 97 + 3_661;
        for (n, seconds) in ORDINARY_SECONDS.step_by(step).enumerate() {
            let nanoseconds = [0, 1, 500_000_000, 123_456_789, 999_999_000][n % 5];
            let nanoseconds = if seconds < 0 { -nanoseconds } else { nanoseconds };
            let expected = Timestamp::new(seconds, nanoseconds).unwrap().to_string();
            let found = of_seconds(seconds, nanoseconds);
            // The very first second has no earlier one to borrow from.
            assert!(found.as_ref() == Some(&expected) || n == 0 && found.is_none(), "{expected}: {found:?}");
        }
        let (first, end) = (ORDINARY_SECONDS.start, ORDINARY_SECONDS.end);
        assert!(of_seconds(end, 0).is_none() && of_seconds(first - 1, 0).is_none());
        assert!(of_seconds(i64::MIN, -1).is_none() && of_seconds(i64::MAX, 1).is_none());
    }

    #[test]
    fn the_ends_of_the_calendar_are_written_too() {
        for time in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
            assert_eq!(text(|out| write_time(time, out)), time.to_string());
        }
        for date in [civil::Date::MIN, civil::Date::MAX, civil::date(-1, 12, 31), civil::date(0, 1, 1)] {
            assert_eq!(text(|out| write_date(date, out)), date.to_string());
        }
    }

    proptest! {
        #[test]
        fn days_and_instants_are_written_as_the_calendar_has_them(
            seconds in Timestamp::MIN.as_second()..=Timestamp::MAX.as_second(),
            nanoseconds in prop::sample::select(vec![0_i32, 1, 10, 120_000_000, 999_999_999]),
            (year, month, day) in (-9999_i16..=9999, 1_i8..=12, 1_i8..=28),
        ) {
            let nanoseconds = if seconds < 0 { -nanoseconds } else { nanoseconds };
            let (time, date) = (Timestamp::new(seconds, nanoseconds), civil::date(year, month, day));
            prop_assume!(time.is_ok());
            let time = time.unwrap();
            prop_assert_eq!(text(|out| write_time(time, out)), time.to_string());
            prop_assert_eq!(text(|out| write_date(date, out)), date.to_string());
        }
    }
}
