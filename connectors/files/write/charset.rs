//! Text in other encodings than UTF-8.

use encoding_rs::{EncoderResult, Encoding, UTF_8};

use super::layout::wrong;
use crate::contract::ConnectorError;

/// The encoding of this name, as browsers know it (<https://encoding.spec.whatwg.org/#names-and-labels>).
///
/// # Errors
/// [`Kind::Config`](crate::contract::Kind::Config) for one that is unknown, or only read.
pub(super) fn named(name: &str) -> Result<&'static Encoding, ConnectorError> {
    let hint = "use `utf-8`, `shift_jis`, `euc-jp`, `iso-2022-jp`, `gb18030`, `big5`, `euc-kr`, `windows-1252`, or another \
        name of the Encoding Standard";
    let encoding = Encoding::for_label(name.trim().as_bytes())
        .ok_or_else(|| wrong(format!("`destination.encoding: {name}` is not known"), hint))?;
    // For those that are only decoded the standard has UTF-8 written.
    if encoding.output_encoding() != encoding {
        return Err(wrong(format!("`destination.encoding: {name}` can be read, but not written"), hint));
    }
    Ok(encoding)
}

/// That an encoding does not have a character.
pub(super) fn lacks(encoding: &'static Encoding, character: char) -> String {
    let code = u32::from(character);
    format!("the character `{character}` (U+{code:04X}) cannot be written in {}", encoding.name())
}

/// Appends a text in this encoding, which begins and ends it as if it stood alone.
///
/// # Errors
/// The first character that the encoding does not have, or that its readers take for another: the standard writes some as what
/// they look like, `¥` as `\` in Shift_JIS. What was appended is of no use then.
pub(super) fn push(text: &str, encoding: &'static Encoding, out: &mut Vec<u8>) -> Result<(), char> {
    if encoding == UTF_8 {
        out.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    let start = out.len();
    let mut encoder = encoding.new_encoder();
    let mut rest = text;
    loop {
        let room =
            encoder.max_buffer_length_from_utf8_without_replacement(rest.len()).unwrap_or(rest.len() * 4);
        out.reserve(room);
        let (result, read) = encoder.encode_from_utf8_to_vec_without_replacement(rest, out, true);
        rest = &rest[read..];
        match result {
            EncoderResult::InputEmpty => break,
            EncoderResult::OutputFull => {}
            EncoderResult::Unmappable(character) => return Err(character),
        }
    }
    let (read, _) = encoding.decode_without_bom_handling(&out[start..]);
    if read == text {
        return Ok(());
    }
    let mut read = read.chars();
    text.chars().find(|character| read.next() != Some(*character)).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_is_read_back_as_another_is_not_written() {
        for (name, text, culprit) in [
            ("shift_jis", "日本 ¥100", '¥'),
            ("shift_jis", "a\u{203e}b", '\u{203e}'),
            ("shift_jis", "\u{2212}1", '\u{2212}'),
            ("euc-jp", "a\u{203e}b", '\u{203e}'),
            ("euc-jp", "¥", '¥'),
            ("iso-2022-jp", "カ ｶﾅ", 'ｶ'),
            ("iso-2022-jp", "\u{2212}", '\u{2212}'),
        ] {
            let mut out = b"before".to_vec();
            assert_eq!(push(text, named(name).unwrap(), &mut out), Err(culprit), "{name}: {text}");
        }
    }

    #[test]
    fn text_is_written_in_its_encoding_or_not_at_all() {
        let bytes = |name: &str, text: &str| {
            let mut out = Vec::new();
            push(text, named(name).unwrap(), &mut out).map(|()| out)
        };
        assert_eq!(bytes("utf-8", "ß").unwrap(), "ß".as_bytes());
        assert_eq!(bytes("Shift_JIS", "日本").unwrap(), b"\x93\xfa\x96\x7b");
        assert_eq!(bytes("windows-1252", "€").unwrap(), b"\x80");
        // Each text returns to ASCII, so that texts can follow one another.
        assert_eq!(bytes("iso-2022-jp", "日").unwrap(), b"\x1b$BF|\x1b(B");
        assert_eq!(bytes("shift_jis", "a😀"), Err('😀'));
        assert_eq!(bytes("iso-2022-jp", "¥").unwrap(), b"\x1b(J\\\x1b(B");
        assert_eq!(bytes("shift_jis", "ｶﾅ").unwrap(), b"\xb6\xc5");
        for (name, word) in [("utf-16", "not written"), ("klingon", "not known")] {
            assert!(named(name).unwrap_err().message.contains(word), "{name}");
        }
    }
}
