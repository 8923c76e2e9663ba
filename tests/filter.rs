//! Which tests a filter means: `lesson-1` is lesson 1, and not 10 to 14.

/// Whether a filter selects a test. As in cargo test it may be any part of the
/// name, but a number in it is a whole number.
pub fn selects(filter: &str, exact: bool, name: &str) -> bool {
    if exact {
        return name == filter;
    }
    name.match_indices(filter).any(|(begin, part)| {
        let before = name[..begin].chars().next_back();
        let after = name[begin + part.len()..].chars().next();
        let cuts =
            |outside: Option<char>, inside: Option<char>| is_digit(outside) && is_digit(inside);
        !cuts(before, part.chars().next()) && !cuts(after, part.chars().next_back())
    })
}

fn is_digit(letter: Option<char>) -> bool {
    letter.is_some_and(|letter| letter.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_whole() {
        assert!(selects("lesson-1", false, "lesson-1.3"));
        assert!(!selects("lesson-1", false, "lesson-10.1"));
        assert!(selects("lesson-4.1", false, "lesson-4.1"));
        assert!(!selects("lesson-4.1", false, "lesson-4.10"));
        assert!(!selects("4.1", false, "lesson-14.1"));
        assert!(selects("lesson", false, "lesson-10.1"));
        assert!(selects("", false, "lesson-10.1"));
    }

    #[test]
    fn an_exact_filter_is_the_whole_name() {
        assert!(selects("lesson-1.1", true, "lesson-1.1"));
        assert!(!selects("lesson-1", true, "lesson-1.1"));
    }
}
