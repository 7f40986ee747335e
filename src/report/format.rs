//! Numbers, sizes, times and values as people read them.

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

/// Longest value shown in a line of text, in characters.
const LONGEST: usize = 60;

/// Characters of a message shown; it is the last column, and the reason is what people look for.
const LONGEST_MESSAGE: usize = 300;

/// `99,842`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 request`, `2,000 requests`.
pub fn plural(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", thousands(number))
}

/// `812 B`, `4.2 kB`, `48 kB`, `1.5 GB`.
pub fn bytes(number: u64) -> String {
    let mut size = number as f64;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB"] {
        if size < 999.5 {
            break;
        }
        size /= 1000.0;
        unit = larger;
    }
    if unit == "B" || size >= 9.95 { format!("{size:.0} {unit}") } else { format!("{size:.1} {unit}") }
}

/// `0.4 s`, `42 s`, `3 min 5 s`, `2 h 10 min`.
pub fn duration(milliseconds: u64) -> String {
    let seconds = (milliseconds + 500) / 1000;
    match seconds {
        _ if milliseconds < 9_950 => format!("{:.1} s", milliseconds as f64 / 1000.0),
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A forecast of some seconds, never more exact than it is: `1 s`, `42 s`, `4 min`, `2 h`.
pub fn about(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{:.0} s", s.ceil().max(1.0)),
        s if s < 6_000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3600.0),
    }
}

/// `2026-11-20 08:05:00 UTC`.
pub fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// RFC 3339 in UTC, whole milliseconds.
pub fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// A value in one line: texts without quotes, control characters made visible, long ones cut.
pub fn value(value: &Json) -> String {
    let text = match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    cut(&clean(&text), LONGEST)
}

/// A message in one line, whole unless it is very long.
pub fn sentence(message: &str) -> String {
    cut(&clean(message), LONGEST_MESSAGE)
}

/// A key as people name it: the value alone, or all of a composite key with their columns.
pub fn key(key: &Map<String, Json>) -> String {
    let mut columns = key.iter();
    match (columns.next(), columns.next()) {
        (None, _) => "?".to_owned(),
        (Some((_, only)), None) => value(only),
        _ => key.iter().map(|(column, v)| format!("{column}={}", value(v))).collect::<Vec<_>>().join(" "),
    }
}

/// Without control characters, which could move the cursor or change colours: they show as `\u{..}`.
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => clean.push_str("\\n"),
            '\t' => clean.push_str("\\t"),
            c if c.is_control() || is_direction(c) => clean.extend(c.escape_unicode()),
            c => clean.push(c),
        }
    }
    clean
}

/// As [`clean`], but lines stay lines: for messages.
pub fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

/// Characters that reorder what stands around them on a screen.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest - 1).chain(['…']).collect()
}

/// Pads to a width in characters.
pub fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_as_people_read_them() {
        assert_eq!(
            [0, 999, 1_000, 99_842, 1_234_567].map(thousands),
            ["0", "999", "1,000", "99,842", "1,234,567"]
        );
        assert_eq!(
            [0, 812, 999, 1_000, 4_230, 48_000, 999_600, 1_500_000].map(bytes),
            ["0 B", "812 B", "999 B", "1.0 kB", "4.2 kB", "48 kB", "1.0 MB", "1.5 MB"]
        );
        assert_eq!(
            [0, 440, 9_949, 9_950, 42_300, 185_000, 7_800_000].map(duration),
            ["0.0 s", "0.4 s", "9.9 s", "10 s", "42 s", "3 min 5 s", "2 h 10 min"]
        );
        assert_eq!([0.0, 1.2, 99.0, 240.0, 7200.0].map(about), ["1 s", "2 s", "99 s", "4 min", "2 h"]);
        assert_eq!([plural(1, "request"), plural(2, "request")], ["1 request", "2 requests"]);
    }

    #[test]
    fn values_cannot_steer_the_terminal() {
        assert_eq!(value(&json!("a\u{1b}[31mb\0\n")), "a\\u{1b}[31mb\\u{0}\\n");
        assert_eq!(value(&json!("x".repeat(2_000_000))).chars().count(), LONGEST);
        assert_eq!(value(&json!("André")), "André");
        assert_eq!(value(&json!(12.50)), "12.5");
        assert_eq!(value(&Json::Null), "null");
    }

    #[test]
    fn keys_name_their_columns_only_when_there_are_several() {
        let one = json!({"id": 7});
        let two = json!({"id": 7, "country": "JP"});
        assert_eq!(key(one.as_object().unwrap()), "7");
        assert_eq!(key(two.as_object().unwrap()), "id=7 country=JP");
        assert_eq!(key(&Map::new()), "?");
    }

    #[test]
    fn times_are_utc() {
        let time: Timestamp = "2026-11-20T08:05:00.1239Z".parse().unwrap();
        assert_eq!(rfc3339(time), "2026-11-20T08:05:00.123Z");
        assert_eq!(super::time(time), "2026-11-20 08:05:00 UTC");
    }
}
