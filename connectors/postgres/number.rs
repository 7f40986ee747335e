//! `numeric` on the wire: groups of four digits
//! (<https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/numeric.c>, `numeric_send`).

use crate::contract::Cell;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const MINUS_INFINITY: u16 = 0xF000;

/// A `numeric` as it was sent.
pub(super) struct Numeric<'a> {
    groups: &'a [u8],
    /// Power of 10,000 of the first group.
    weight: i16,
    sign: u16,
    /// Digits after the point.
    scale: u16,
}

impl<'a> Numeric<'a> {
    pub(super) fn read(raw: &'a [u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_be_bytes([*raw.get(at)?, *raw.get(at + 1)?]));
        let count = usize::from(word(0)?);
        let groups = raw.get(8..8 + 2 * count)?;
        Some(Numeric { groups, weight: word(2)? as i16, sign: word(4)?, scale: word(6)? })
    }

    fn group(&self, at: i32) -> u16 {
        let Ok(at) = usize::try_from(at) else { return 0 };
        match (self.groups.get(2 * at), self.groups.get(2 * at + 1)) {
            (Some(high), Some(low)) => u16::from_be_bytes([*high, *low]),
            _ => 0,
        }
    }

    fn special(&self) -> Option<f64> {
        match self.sign {
            NAN => Some(f64::NAN),
            INFINITY => Some(f64::INFINITY),
            MINUS_INFINITY => Some(f64::NEG_INFINITY),
            _ => None,
        }
    }

    /// All digits as one number; `None` where there are too many.
    fn digits(&self) -> Option<i128> {
        let (weight, scale) = (i32::from(self.weight), i32::from(self.scale));
        let whole = (weight + 1).max(0);
        let fraction = (scale + 3) / 4;
        let mut digits: i128 = 0;
        for position in 0..whole + fraction {
            // The group of 10,000^0 is the last before the point.
            let group = self.group(weight - (whole - 1 - position));
            digits = digits.checked_mul(10_000)?.checked_add(i128::from(group))?;
        }
        let surplus = (fraction * 4 - scale) as u32;
        let digits = digits / 10_i128.pow(surplus);
        Some(if self.sign == NEGATIVE { -digits } else { digits })
    }

    /// In plain notation, as the server would print it.
    pub(super) fn text(&self) -> String {
        if let Some(special) = self.special() {
            return if special.is_nan() {
                "NaN".to_owned()
            } else if special > 0.0 {
                "Infinity".into()
            } else {
                "-Infinity".into()
            };
        }
        let (weight, scale) = (i32::from(self.weight), usize::from(self.scale));
        let mut whole = String::new();
        for power in (0..=weight.max(0)).rev() {
            whole += &format!("{:04}", self.group(weight - power));
        }
        let mut fraction = String::new();
        for power in 1..=(scale as i32 + 3) / 4 {
            fraction += &format!("{:04}", self.group(weight + power));
        }
        fraction.truncate(scale);
        let trimmed = whole.trim_start_matches('0');
        let whole = if trimmed.is_empty() { "0" } else { trimmed };
        let sign = if self.sign == NEGATIVE { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{fraction}")
    }

    pub(super) fn with_cell<R>(&self, take: impl FnOnce(Cell<'_>) -> R) -> R {
        if let Some(special) = self.special() {
            return take(Cell::Float(special));
        }
        match (self.digits(), u8::try_from(self.scale)) {
            (Some(digits), Ok(scale)) => take(Cell::Decimal { digits, scale }),
            // More digits than a decimal cell holds stay as they are written.
            _ => take(Cell::Text(&self.text())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups, weight, sign and scale as `numeric_send` writes them.
    fn wire(groups: &[u16], weight: i16, sign: u16, scale: u16) -> Vec<u8> {
        let head = [groups.len() as u16, weight as u16, sign, scale];
        head.iter().chain(groups).flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn numbers_keep_every_digit() {
        for (raw, digits, scale, text) in [
            (wire(&[12, 5000], 0, 0, 2), 1250, 2, "12.50"),
            (wire(&[1, 2345], 1, NEGATIVE, 0), -12_345, 0, "-12345"),
            (wire(&[], 0, 0, 0), 0, 0, "0"),
            (wire(&[], 0, 0, 3), 0, 3, "0.000"),
            (wire(&[10], -1, 0, 3), 1, 3, "0.001"),
            (wire(&[10], -2, 0, 7), 1, 7, "0.0000001"),
            (wire(&[1], 2, 0, 0), 100_000_000, 0, "100000000"),
            (wire(&[1], 1, 0, 1), 100_000, 1, "10000.0"),
        ] {
            let number = Numeric::read(&raw).unwrap();
            assert_eq!((number.digits(), number.scale, &*number.text()), (Some(digits), scale, text));
        }
        let large = wire(&[9999; 12], 11, 0, 0);
        let number = Numeric::read(&large).unwrap();
        assert_eq!((number.digits(), number.text()), (None, "9".repeat(48)));
        assert!(Numeric::read(&[0, 1, 0, 0]).is_none());
        assert!(Numeric::read(&wire(&[], 0, NAN, 0)).unwrap().special().unwrap().is_nan());
    }
}
