//! Numbers of few digits in plain notation, without allocating: what [`Number`](outflow_connectors::contract::Number)
//! does for numbers of any size. Where this one does not answer, that one has to.

/// `digits * 10^exponent`, negated or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plain {
    negative: bool,
    digits: u64,
    exponent: i32,
}

/// Zeros before or after the digits that are still written here.
const MOST_ZEROS: i32 = 40;

/// Bytes of the longest text: a sign, 20 digits, a point, zeros.
const LONGEST: usize = 64;

/// The canonical text of a [`Plain`].
pub(super) struct Text {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Text {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn zeros(&mut self, count: usize) {
        self.length += count; // they are there
    }
}

impl Plain {
    pub(super) fn from_integer(value: i64) -> Self {
        Plain { negative: value < 0, digits: value.unsigned_abs(), exponent: 0 }
    }

    pub(super) fn from_decimal(digits: i128, scale: u8) -> Option<Self> {
        let exponent = -i32::from(scale);
        let unsigned = u64::try_from(digits.unsigned_abs()).ok()?;
        (exponent >= -MOST_ZEROS).then_some(Plain { negative: digits < 0, digits: unsigned, exponent })
    }

    /// The float rounded to 15 significant digits, integers up to 2^53 whole. `None` where another has to say: not
    /// finite, very large or small, or exactly between two roundings.
    pub(super) fn from_float(value: f64) -> Option<Self> {
        const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
        let (negative, size) = (value < 0.0, value.abs());
        if size <= EXACT && size as u64 as f64 == size {
            return Some(Plain { negative, digits: size as u64, exponent: 0 });
        }
        if !(1e-20..1e17).contains(&size) {
            return None;
        }
        // A decimal of at most 15 digits is the only one of that length that reads back as its float.
        for (power, exponent) in [(1e2, -2), (1e4, -4), (1e6, -6)] {
            let digits = (size * power + 0.5) as u64;
            if digits < 1_000_000_000_000_000 && digits as f64 / power == size {
                return Some(Plain { negative, digits, exponent });
            }
        }
        Plain { negative, ..shortest(size)? }.significant()
    }

    /// Rounds the shortest digits to 15: as rounding the float itself unless they lie exactly in the middle. Were a
    /// middle of 16 digits between the two, it would have been the shorter or nearer name of the float.
    fn significant(self) -> Option<Self> {
        let more = match self.digits {
            0..1_000_000_000_000_000 => return Some(self),
            1_000_000_000_000_000..10_000_000_000_000_000 => 1,
            10_000_000_000_000_000..100_000_000_000_000_000 => 2,
            100_000_000_000_000_000..1_000_000_000_000_000_000 => 3,
            _ => return None,
        };
        let unit = 10_u64.pow(more);
        let tail = self.digits % unit;
        if tail * 2 == unit {
            return None;
        }
        let digits = self.digits / unit + u64::from(tail * 2 > unit);
        Some(Plain { digits, exponent: self.exponent + more as i32, ..self })
    }

    /// Rounds half away from zero to `scale` digits after the point.
    pub(super) fn round(self, scale: u32) -> Self {
        let more = i64::from(scale).saturating_add(i64::from(self.exponent));
        if more >= 0 {
            return self;
        }
        let exponent = -(scale as i32); // less than 40, or nothing would be dropped
        let Some(unit) = u32::try_from(-more).ok().and_then(|n| 10_u64.checked_pow(n)) else {
            return Plain { digits: 0, exponent, ..self };
        };
        let digits = self.digits / unit + u64::from(self.digits % unit >= unit / 2);
        Plain { digits, exponent, ..self }
    }

    /// Digits after the point at most: zeros at the end count, too.
    pub(super) fn decimals(&self) -> u32 {
        self.exponent.min(0).unsigned_abs()
    }

    /// Appends a tag, the length of the canonical text, and that text, of a number of few digits; `false` for all others,
    /// and then nothing was appended.
    pub(super) fn write_few(self, tag: u8, out: &mut Vec<u8>) -> bool {
        let Plain { negative, digits, exponent } = self.without_zeros();
        if !(1..100_000_000).contains(&digits) || !(-7..=0).contains(&exponent) {
            return false;
        }
        let (text, count) = few(digits as u32);
        let places = exponent.unsigned_abs() as usize;
        let Some(whole) = count.checked_sub(places).filter(|whole| *whole > 0) else { return false };
        let length = usize::from(negative) + count + usize::from(places > 0);
        out.extend_from_slice(&[tag, length as u8]);
        let end = out.len() + length;
        if negative {
            out.push(b'-');
        }
        // Always eight bytes, of which those that are too many are cut off: faster than to copy as many as there are.
        let start = out.len();
        out.extend_from_slice(&text.to_le_bytes());
        if places > 0 {
            out.truncate(start + whole);
            out.push(b'.');
            out.extend_from_slice(&(text >> (8 * whole)).to_le_bytes());
        }
        out.truncate(end);
        true
    }

    /// The same number without zeros at the end of its digits.
    fn without_zeros(mut self) -> Self {
        while self.digits != 0 && self.digits.is_multiple_of(10) {
            self.digits /= 10;
            self.exponent += 1;
        }
        self
    }

    /// The canonical text.
    pub(super) fn text(mut self) -> Option<Text> {
        let mut text = Text { bytes: [b'0'; LONGEST], length: 0 };
        if self.digits == 0 {
            text.zeros(1);
            return Some(text);
        }
        self = self.without_zeros();
        if self.exponent.abs() > MOST_ZEROS {
            return None;
        }
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(self.digits).as_bytes();
        if self.negative {
            text.push(b"-");
        }
        let places = self.exponent.unsigned_abs() as usize;
        if self.exponent >= 0 {
            text.push(digits);
            text.zeros(places);
        } else if places >= digits.len() {
            text.push(b"0.");
            text.zeros(places - digits.len());
            text.push(digits);
        } else {
            let (whole, fraction) = digits.split_at(digits.len() - places);
            text.push(whole);
            text.push(b".");
            text.push(fraction);
        }
        Some(text)
    }
}

/// The digits of a number from 1 to 99,999,999 as eight characters, the first of them in the lowest byte, and how many
/// there are.
fn few(number: u32) -> (u64, usize) {
    // Two halves of four digits, four of two, eight of one: each step divides all parts at once.
    let halves = u64::from(number / 10_000) | u64::from(number % 10_000) << 32;
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | (halves - hundreds * 100) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    let digits = tens | (pairs - tens * 10) << 8;
    let zeros = digits.trailing_zeros() / 8;
    ((digits | 0x3030_3030_3030_3030) >> (8 * zeros), 8 - zeros as usize)
}

/// The shortest digits that read back as this float, the nearest of them.
fn shortest(size: f64) -> Option<Plain> {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(size);
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
        None => (text, 0),
    };
    let mut plain = Plain { negative: false, digits: 0, exponent };
    let mut after_point = 0;
    for byte in mantissa.bytes() {
        match byte {
            b'.' => after_point = 1,
            _ => {
                plain.digits =
                    plain.digits.checked_mul(10)?.checked_add(u64::from(byte.wrapping_sub(b'0')))?;
                plain.exponent -= after_point;
            }
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use outflow_connectors::contract::Number;
    use proptest::prelude::*;

    use super::*;
    use crate::transform::json;

    fn text(plain: Option<Plain>) -> Option<String> {
        Some(String::from_utf8(plain?.text()?.as_bytes().to_vec()).unwrap())
    }

    /// What the few digits are written as is what all others are.
    fn written(plain: Plain) {
        let mut out = vec![7];
        let expected = plain.text().filter(|_| plain.write_few(b'n', &mut out));
        let expected = expected.map(|text| [&[7, b'n', text.length as u8], text.as_bytes()].concat());
        assert_eq!(out, expected.unwrap_or(vec![7]), "{plain:?}");
    }

    #[test]
    fn few_digits_are_written_as_all_are() {
        for digits in (0..200_000).chain((0..100_100_000).step_by(9_973)) {
            assert!(digits == 0 || digits > 99_999_999 || few(digits as u32).1 == digits.to_string().len());
            for exponent in [0, -1, -2, -4, -7, -8, 1] {
                written(Plain { negative: digits % 3 == 0, digits, exponent });
            }
        }
        let mut out = Vec::new();
        assert!(Plain::from_integer(-1_234_567).write_few(b'n', &mut out) && out == b"n\x08-1234567");
        assert!(!Plain::from_integer(i64::MIN).write_few(b'n', &mut out) && out.len() == 10);
    }

    fn agrees(value: f64) {
        if let Some(plain) = Plain::from_float(value) {
            written(plain);
        }
        if let Some(found) = text(Plain::from_float(value)) {
            assert_eq!(found, json::float(value).unwrap().as_str(), "{value:e}");
        }
    }

    /// Floats around every multiple of a half in the sixteenth digit, where rounding is closest to going wrong.
    #[test]
    fn floats_near_ties_round_as_their_exact_value() {
        let mut answered = 0;
        for base in
            [1.0, 1.5, 123.456, 0.000_123, 7e14, 4_503_599_627_370_497.0, 9e15, 1e16, 99_999.999_999_999_9]
        {
            let mut value: f64 = base;
            for _ in 0..2_000 {
                agrees(value);
                agrees(-value);
                answered += u32::from(Plain::from_float(value).is_some());
                value = value.next_up();
            }
        }
        assert!(answered > 15_000, "{answered}");
        // 2^-k has a finite decimal expansion: exact ties.
        for (whole, k) in [(1_u64 << 50, 2), (1 << 49, 3), (1 << 40, 12), (1 << 48, 4)] {
            for odd in (1..200).step_by(2) {
                agrees((whole + odd) as f64 + 1.0 / f64::from(1 << k));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn floats_of_all_magnitudes_agree(bits in any::<u64>(), size in -25..25_i32, digits in 0..10_000_000_i64) {
            agrees(f64::from_bits(bits));
            agrees(f64::from_bits((bits % (1 << 52)) | (1023 << 52)) * 10_f64.powi(size));
            agrees(digits as f64 / 10_f64.powi(size.abs()));
            agrees(digits as f64 * 0.1);
        }

        #[test]
        fn decimals_agree_at_every_scale(digits in any::<i64>(), wide in any::<i128>(), shift in 0..127_u32, scale in 0..60_u8, rounded in 0..45_u32) {
            for digits in [i128::from(digits), wide >> shift, wide, 0] {
                let number = Number::from_decimal(digits, scale);
                let plain = Plain::from_decimal(digits, scale);
                if let Some(found) = text(plain) {
                    prop_assert_eq!(found, number.as_str());
                }
                if let Some(found) = text(plain.map(|p| p.round(rounded))) {
                    prop_assert_eq!(found, number.round(rounded).as_str().to_owned());
                }
            }
        }
    }
}
