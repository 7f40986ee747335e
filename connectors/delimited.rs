//! Text of delimited files, as RFC 4180 has it.

use crate::scan::has_any;

/// Appends a cell. It is quoted where it holds the delimiter, a quote or the end of a line, and where it begins or ends with
/// a space, so that no reader takes that away.
pub fn push_cell(text: &[u8], delimiter: u8, out: &mut Vec<u8>) {
    let is_space = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    if has_special(text, delimiter) || is_space(text.first()) || is_space(text.last()) {
        return push_quoted(text, out);
    }
    out.extend_from_slice(text);
}

/// Whether a text cannot stand in a cell without quotes.
#[inline]
pub fn has_special(text: &[u8], delimiter: u8) -> bool {
    has_any(text, 0, [delimiter, b'"', b'\n', b'\r'])
}

/// Appends a cell in quotes.
pub fn push_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    if text.contains(&b'"') {
        for part in text.split_inclusive(|byte| *byte == b'"') {
            out.extend_from_slice(part);
            if part.ends_with(b"\"") {
                out.push(b'"');
            }
        }
    } else {
        out.extend_from_slice(text);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the words of the documentation have it, byte by byte.
    fn reference(text: &[u8], delimiter: u8) -> Vec<u8> {
        let is_special = |byte: &u8| *byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r');
        let ends = [text.first(), text.last()];
        let has_space = ends.into_iter().flatten().any(u8::is_ascii_whitespace);
        match text.iter().any(is_special) || has_space {
            true => quoted(text),
            false => text.to_vec(),
        }
    }

    fn quoted(text: &[u8]) -> Vec<u8> {
        let doubled = text.iter().flat_map(|byte| vec![*byte; 1 + usize::from(*byte == b'"')]);
        [b'"'].into_iter().chain(doubled).chain([b'"']).collect()
    }

    proptest! {
        #[test]
        fn a_cell_is_as_its_words_say(
            text in "[a-d,;\"\n\r\t |é日]{0,40}",
            delimiter in prop::sample::select(b",;\t|".to_vec()),
        ) {
            let (mut cell, mut all) = (b"before".to_vec(), b"before".to_vec());
            push_cell(text.as_bytes(), delimiter, &mut cell);
            push_quoted(text.as_bytes(), &mut all);
            prop_assert_eq!(&cell[6..], reference(text.as_bytes(), delimiter));
            prop_assert_eq!(&all[6..], quoted(text.as_bytes()));
        }
    }
}
