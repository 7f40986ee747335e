//! The name that a mistyped one probably meant, for "did you mean".

/// Longer words are no misspelt names.
const LONGEST: usize = 64;
/// Below this likeness two words have nothing to do with each other.
const ALIKE: f64 = 0.8;

/// Of these names the one that resembles the word most, in any case of letters; of two that do so alike, the first by
/// the alphabet. `None` where none comes near.
///
/// ```
/// use outflow_connectors::nearest::nearest;
///
/// assert_eq!(nearest("fristname", ["firstname", "lastname"].into_iter()), Some("firstname"));
/// assert_eq!(nearest("colour", ["firstname", "lastname"].into_iter()), None);
/// ```
pub fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.chars().count() > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    names
        .map(|name| (likeness(&lower, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, name)| name)
}

/// The hint for a misspelt word, where one of the names is near.
pub fn did_you_mean<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest(word, names).map(|name| format!("did you mean `{name}`?"))
}

/// From 0 to 1. Jaro-Winkler misses what two swapped or changed letters do to a very short word.
fn likeness(word: &str, name: &str) -> f64 {
    let one_slip = word.len() > 1 && strsim::damerau_levenshtein(word, name) == 1;
    strsim::jaro_winkler(word, name).max(if one_slip { 0.85 } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let names = || ["id", "email", "Lastname"].into_iter();
        assert_eq!(nearest("di", names()), Some("id"));
        assert_eq!(nearest("emial", names()), Some("email"));
        assert_eq!(nearest("LASTNAMe", names()), Some("Lastname"));
        assert_eq!(nearest("country", names()), None);
        assert_eq!(nearest(&"email".repeat(20), names()), None);
    }
}
