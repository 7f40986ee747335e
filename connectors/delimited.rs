//! Text of delimited files, as RFC 4180 has it.

/// Appends a cell. It is quoted where it holds the delimiter, a quote or the end of a line, and where it begins or ends with
/// a space, so that no reader takes that away.
pub fn push_cell(text: &[u8], delimiter: u8, out: &mut Vec<u8>) {
    let is_space = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    if !text.iter().any(|byte| is_special(*byte, delimiter))
        && !is_space(text.first())
        && !is_space(text.last())
    {
        return out.extend_from_slice(text);
    }
    push_quoted(text, out);
}

/// Whether a byte cannot stand in a cell without quotes.
pub fn is_special(byte: u8, delimiter: u8) -> bool {
    byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r')
}

/// Appends a cell in quotes.
pub fn push_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}
