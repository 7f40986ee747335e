//! Reading what a mapping's `destination` block asks for, with errors that name the option and the fix.

use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind, Target};

/// An error about the block: what is wrong with it, and what to do.
pub fn wrong(message: String, hint: &str) -> ConnectorError {
    ConnectorError::new(Kind::Config, message).hint(hint)
}

/// Checks that the block names the only object that there is.
///
/// # Errors
/// [`Kind::Config`] where it names another.
pub fn only_object(target: &Target, title: &str, known: &str) -> Result<(), ConnectorError> {
    match target.object == known {
        true => Ok(()),
        false => {
            let message = format!("{title} has no object `{}`", target.object);
            Err(wrong(message, &format!("use `object: {known}`")))
        }
    }
}

/// An error about a match key; `whose` is what cannot be matched so, as in `a contact of Acme`.
pub fn unmatched(whose: &str, match_on: &[String], hint: &str) -> ConnectorError {
    let given: Vec<String> = match_on.iter().map(|name| format!("`{name}`")).collect();
    let given = if given.is_empty() { "nothing".to_owned() } else { given.join(" and ") };
    wrong(format!("{whose} cannot be matched on {given}"), hint)
}

/// What the word of an option means; the first of those that are `known` where the option is not set.
///
/// # Errors
/// [`Kind::Config`] for a word that is not known, and for what is no word.
///
/// ```
/// use outflow_connectors::contract::Target;
/// use outflow_connectors::options::word;
///
/// let options = serde_json::json!({"api": "bulk"});
/// let target = Target { options: options.as_object().unwrap().clone(), ..Target::default() };
/// assert_eq!(word(&target, "mode", [("fast", 1), ("slow", 2)]).unwrap(), 1);
/// let error = word(&target, "api", [("auto", 1), ("single", 2), ("import", 3)]).unwrap_err();
/// assert_eq!(error.message, "`destination.api` is not known");
/// assert_eq!(error.hint.unwrap(), "use `auto`, `single` or `import`");
/// ```
pub fn word<T: Copy, const N: usize>(
    target: &Target,
    option: &str,
    known: [(&str, T); N],
) -> Result<T, ConnectorError> {
    let meant = match target.options.get(option) {
        None => known.first(),
        Some(value) => known.iter().find(|(word, _)| value.as_str() == Some(*word)),
    };
    meant.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words = known.map(|(word, _)| format!("`{word}`"));
        let words = match &words[..] {
            [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
            words => words.concat(),
        };
        wrong(format!("`destination.{option}` is not known"), &format!("use {words}"))
    })
}

/// Whether an option is set to `true`.
///
/// # Errors
/// [`Kind::Config`] for what is neither `true` nor `false`.
pub fn flag(target: &Target, option: &str) -> Result<bool, ConnectorError> {
    match target.options.get(option) {
        None => Ok(false),
        Some(Json::Bool(set)) => Ok(*set),
        Some(_) => {
            let message = format!("`destination.{option}` must be `true` or `false`");
            Err(wrong(message, "leave it out for `false`"))
        }
    }
}

/// The list whose members a sync keeps, and those that its contacts are put on: `list` and `lists`, of which there is one at
/// most. `id` reads an id under the name of its option; `hint` says how ids are written.
///
/// # Errors
/// Those of `id`; [`Kind::Config`] for `lists` that are no list, and where both are set.
pub fn lists<T>(
    target: &Target,
    hint: &str,
    id: impl Fn(&str, &Json) -> Result<T, ConnectorError>,
) -> Result<(Option<T>, Vec<T>), ConnectorError> {
    let list = target.options.get("list").map(|value| id("list", value)).transpose()?;
    let lists: Vec<T> = match target.options.get("lists") {
        None => Vec::new(),
        Some(Json::Array(ids)) => ids.iter().map(|value| id("lists", value)).collect::<Result<_, _>>()?,
        Some(_) => return Err(wrong("`destination.lists` must be a list".to_owned(), hint)),
    };
    if list.is_some() && !lists.is_empty() {
        let message = "`destination.list` and `destination.lists` exclude each other".to_owned();
        return Err(wrong(message, "`list` with `mode: audience`, `lists` for contacts that are sent"));
    }
    Ok((list, lists))
}
