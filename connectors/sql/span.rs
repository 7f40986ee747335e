//! Times of a day and lengths of time, as texts.

/// `HH:MM:SS`, with as many digits of a second as are not zero.
pub fn time_of_day(seconds: i64, nanoseconds: u32) -> String {
    let (minutes, second) = (seconds.div_euclid(60), seconds.rem_euclid(60));
    let text = format!("{:02}:{:02}:{second:02}", minutes.div_euclid(60), minutes.rem_euclid(60));
    text + &fraction(nanoseconds)
}

/// ISO 8601, each part as it is stored: `P1M2DT3.5S`.
pub fn interval(months: i32, days: i32, nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let length = nanoseconds.unsigned_abs();
    let (seconds, rest) = (length / 1_000_000_000, (length % 1_000_000_000) as u32);
    format!("P{months}M{days}DT{sign}{seconds}{}S", fraction(rest))
}

fn fraction(nanoseconds: u32) -> String {
    match nanoseconds {
        0 => String::new(),
        rest => format!(".{rest:09}").trim_end_matches('0').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_end_in_no_zero() {
        assert_eq!(time_of_day(36_672, 500_000_000), "10:11:12.5");
        assert_eq!(time_of_day(86_400, 0), "24:00:00");
        assert_eq!(interval(14, 3, 14_706_500_000_000), "P14M3DT14706.5S");
        assert_eq!(interval(0, 0, -500_000_000), "P0M0DT-0.5S");
    }
}
