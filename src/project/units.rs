//! The small forms a setting can have: times, rates, sizes, bounds.

use std::time::Duration;

use outflow_connectors::contract::RateLimit;

use super::spec::Bound;

/// `500ms`, `10s`, `15m`, `24h`, `7d`, or a sum like `1h30m`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    outflow_connectors::settings::duration_of(text)
}

/// `190/10s`, `15/s`, `1000/m`: requests in any window of that length.
pub fn rate(text: &str) -> Option<RateLimit> {
    let (requests, window) = text.trim().split_once('/')?;
    let requests = requests.trim().parse().ok().filter(|n| *n > 0)?;
    let window = window.trim();
    let per = match window.starts_with(|c: char| c.is_ascii_digit()) {
        true => duration(window)?,
        false => duration(&format!("1{window}"))?,
    };
    (per >= Duration::from_millis(1)).then_some(RateLimit { requests, per })
}

/// `512B`, `100kB`, `4MB`, `1GiB`; `kB` is 1000 bytes, `KiB` 1024.
pub(super) fn size(text: &str) -> Option<usize> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let amount: usize = text[..digits].parse().ok().filter(|n| *n > 0)?;
    let unit: usize = match text[digits..].trim_start().to_ascii_lowercase().as_str() {
        "b" => 1,
        "kb" => 1000,
        "kib" => 1024,
        "mb" => 1_000_000,
        "mib" => 1 << 20,
        "gb" => 1_000_000_000,
        "gib" => 1 << 30,
        _ => return None,
    };
    amount.checked_mul(unit)
}

/// `5%`, `0.5 %` or a number of rows.
pub(super) fn bound(text: &str) -> Option<Bound> {
    match text.trim().strip_suffix('%') {
        Some(number) => {
            let number = number.trim();
            let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            let percent: f64 = number.parse().ok().filter(|_| plain)?;
            (0.0..=100.0).contains(&percent).then_some(Bound::Percent(percent))
        }
        None => text.trim().parse().ok().map(Bound::Rows),
    }
}

/// `30%`: more than nothing, and not more than all.
pub fn percent(text: &str) -> Option<f64> {
    match bound(text) {
        Some(Bound::Percent(percent)) if percent > 0.0 => Some(percent),
        _ => None,
    }
}

/// `08:00` or `23:59:30`.
pub(super) fn time_of_day(text: &str) -> Option<jiff::civil::Time> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b':') && text.contains(':');
    text.parse().ok().filter(|_| plain)
}

/// One ASCII character that is neither a quote nor the end of a line, or the word `tab`.
pub(super) fn delimiter(text: &str) -> Option<char> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(one), None) => {
            Some(one).filter(|one| one.is_ascii() && !matches!(one, '"' | '\n' | '\r' | '\0'))
        }
        _ => (text == "tab").then_some('\t'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in
            [("10s", 10), ("24h", 86_400), ("1h30m", 5_400), ("7d", 604_800), (" 2m ", 120)]
        {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        for text in
            ["", "h", "10", "1.5h", "-1h", "1 h", "1w", "99999999999999999999s", "18446744073709551615d"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn rates() {
        let limit = |requests, secs| Some(RateLimit { requests, per: Duration::from_secs(secs) });
        assert_eq!(rate("190/10s"), limit(190, 10));
        assert_eq!(rate("15/s"), limit(15, 1));
        assert_eq!(rate("1000 / m"), limit(1000, 60));
        for text in ["", "10", "10/", "/s", "0/s", "-1/s", "10/0s", "10/x", "10/s/s"] {
            assert_eq!(rate(text), None, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [("4MB", 4_000_000), ("1KiB", 1024), ("512 B", 512), ("2gb", 2_000_000_000)] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "MB", "4", "0MB", "-1MB", "1.5MB", "4XB", "99999999999999999999GB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn bounds() {
        assert_eq!(bound("5%"), Some(Bound::Percent(5.0)));
        assert_eq!(bound("0.5 %"), Some(Bound::Percent(0.5)));
        assert_eq!(bound("100"), Some(Bound::Rows(100)));
        for text in ["", "%", "101%", "-1%", "-1", "five", "1.5", "inf%", "nan%"] {
            assert_eq!(bound(text), None, "{text}");
        }
    }

    #[test]
    fn times_of_day() {
        assert_eq!(time_of_day("08:00"), Some(jiff::civil::time(8, 0, 0, 0)));
        for text in ["8", "25:00", "08:00Z", "T08:00", ""] {
            assert_eq!(time_of_day(text), None, "{text}");
        }
    }
}
