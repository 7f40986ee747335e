//! Times on the wire: days and microseconds since 2000-01-01
//! (<https://github.com/postgres/postgres/blob/master/src/include/datatype/timestamp.h>).

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use crate::sql;

/// Days, and seconds, from 1970-01-01 to 2000-01-01.
const EPOCH: Date = Date::constant(2000, 1, 1);
const EPOCH_SECONDS: i64 = 946_684_800;
const MICROS: i64 = 1_000_000;

/// Why a time has no place in the calendar.
pub(super) const INFINITE: &str = "an infinite time";
pub(super) const TOO_FAR: &str = "a time outside the years -9999 to 9999";

/// # Errors
/// Why there is no such day.
pub(super) fn date(days: i32) -> Result<Date, &'static str> {
    match days {
        i32::MAX | i32::MIN => Err(INFINITE),
        days => EPOCH.checked_add(days.days()).map_err(|_| TOO_FAR),
    }
}

/// Seconds since 1970-01-01 00:00 and nanoseconds above them.
///
/// # Errors
/// Of the two infinities.
pub(super) fn wall(micros: i64) -> Result<(i64, u32), &'static str> {
    match micros {
        i64::MAX | i64::MIN => Err(INFINITE),
        micros => {
            let nanoseconds = micros.rem_euclid(MICROS) as u32 * 1_000;
            Ok((micros.div_euclid(MICROS) + EPOCH_SECONDS, nanoseconds))
        }
    }
}

/// Instants end a little before the calendar does, so that each has a wall-clock time in every zone.
pub(super) const TOO_LATE: &str = "an instant outside -9999-01-02T01:59:59Z to 9999-12-30T22:00:00Z";

/// # Errors
/// Why there is no such instant.
pub(super) fn instant(micros: i64) -> Result<Timestamp, &'static str> {
    let (seconds, nanoseconds) = wall(micros)?;
    Timestamp::new(seconds, 0)
        .and_then(|whole| whole.checked_add(i64::from(nanoseconds).nanoseconds()))
        .map_err(|_| TOO_LATE)
}

/// Microseconds since midnight, as `10:11:12.5`; 24:00:00 is a time, too.
pub(super) fn of_day(micros: i64) -> String {
    sql::time_of_day(micros.div_euclid(MICROS), micros.rem_euclid(MICROS) as u32 * 1_000)
}

/// A time of day with its offset: seconds west of Greenwich.
pub(super) fn of_day_zoned(micros: i64, west: i32) -> String {
    let (sign, offset) = if west > 0 { ('-', west) } else { ('+', -west) };
    let mut text = format!("{}{sign}{:02}:{:02}", of_day(micros), offset / 3600, offset / 60 % 60);
    if offset % 60 != 0 {
        text += &format!(":{:02}", offset % 60);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_their_place_in_the_calendar() {
        assert_eq!(date(0), Ok("2000-01-01".parse().unwrap()));
        assert_eq!(date(-730_119), Ok("0001-01-01".parse().unwrap()));
        assert_eq!(date(2_921_939), Ok("9999-12-31".parse().unwrap()));
        assert_eq!((date(i32::MAX), date(2_921_940)), (Err(INFINITE), Err(TOO_FAR)));
        assert_eq!(wall(-1), Ok((EPOCH_SECONDS - 1, 999_999_000)));
        assert_eq!(instant(1_500_000), Ok("2000-01-01T00:00:01.5Z".parse().unwrap()));
        assert_eq!(instant(-500_000), Ok("1999-12-31T23:59:59.5Z".parse().unwrap()));
        assert_eq!(instant(i64::MIN), Err(INFINITE));
    }

    #[test]
    fn times_of_day_are_texts() {
        assert_eq!(of_day(36_672_500_000), "10:11:12.5");
        assert_eq!(of_day(86_400_000_000), "24:00:00");
        assert_eq!(of_day_zoned(0, -19_800), "00:00:00+05:30");
        assert_eq!(of_day_zoned(0, 3_601), "00:00:00-01:00:01");
    }
}
