//! Hides secrets in a line of YAML that is about to be shown.

/// Parts of key names whose values nobody may see.
const SECRET: [&str; 8] =
    ["token", "secret", "password", "passphrase", "private_key", "api_key", "credential", "username"];

const HIDDEN: &str = "•••";

/// The line with the values of secret keys, and the credentials of URLs, replaced. References such as `${NAME}` stay.
pub fn secrets(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(colon) = rest.find(": ") {
        let (key, after) = rest.split_at(colon + 2);
        shown.push_str(key);
        rest = after;
        if is_secret(key) {
            let value = &rest[..end_of_value(rest)];
            shown.push_str(
                if value.is_empty() || is_reference(value) || value.trim_start().starts_with(['{', '[']) {
                    value
                } else {
                    HIDDEN
                },
            );
            rest = &rest[value.len()..];
        }
    }
    shown.push_str(rest);
    without_credentials(&shown)
}

fn is_secret(key: &str) -> bool {
    let name = key.trim_end_matches(": ").trim_end_matches(['"', '\'']);
    let start = name.rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).map_or(0, |at| at + 1);
    let name = name[start..].to_ascii_lowercase();
    SECRET.iter().any(|part| name.contains(part))
}

fn is_reference(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'']);
    value.starts_with("${") && value.find('}') == Some(value.len() - 1) && !value.contains(":-")
}

/// Where a plain or quoted scalar ends: at its closing quote, or before a comma, a brace or a comment.
fn end_of_value(text: &str) -> usize {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    match quote {
        Some(quote) => text[1..].find(quote).map_or(text.len(), |at| at + 2),
        None if text.starts_with("${") => text.find('}').map_or(text.len(), |at| at + 1),
        None => text.find([',', '}', ']']).or_else(|| text.find(" #")).unwrap_or(text.len()),
    }
}

/// `postgres://user:password@host` without what stands between `//` and `@`.
fn without_credentials(line: &str) -> String {
    let Some(slashes) = line.find("://") else { return line.to_owned() };
    let (before, after) = line.split_at(slashes + 3);
    let authority = after.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(after.len());
    match after[..authority].rfind('@') {
        Some(at) => format!("{before}{HIDDEN}{}", &after[at..]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::secrets;

    #[test]
    fn values_of_secret_keys_are_hidden() {
        for (line, shown) in [
            ("    token: pat-na1-123 # mine", "    token: ••• # mine"),
            (
                "  crm: {type: x, client_secret: \"a, b\", url: u}",
                "  crm: {type: x, client_secret: •••, url: u}",
            ),
            ("auth: {refresh_token: abc}", "auth: {refresh_token: •••}"),
            ("token: ${HUBSPOT_TOKEN}", "token: ${HUBSPOT_TOKEN}"),
            ("token: \"${HUBSPOT_TOKEN}\"", "token: \"${HUBSPOT_TOKEN}\""),
            ("token: ${HUBSPOT_TOKEN:-pat-1}", "token: •••"),
            ("url: postgres://me:pw@db/x", "url: postgres://•••@db/x"),
            ("firstname: first_name", "firstname: first_name"),
            ("\"api_key\": 'k'", "\"api_key\": •••"),
        ] {
            assert_eq!(secrets(line), shown);
        }
    }
}
