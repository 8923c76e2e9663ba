//! The difference between the accepted transcript and yours, to be read by a person.

use similar::{ChangeTag, TextDiff};

use crate::colours::{DIM, GREEN, RED, paint};

/// How many equal lines stand around a difference.
const AROUND: usize = 6;

/// The difference, a line each: `-` is expected, `+` is yours. In colour the
/// words that differ within a line are underlined; without, a line of `^`
/// below points at them.
pub fn between(expected: &str, yours: &str, colours: bool) -> String {
    let difference = TextDiff::from_lines(expected, yours);
    let mut text = String::new();
    for (position, group) in difference.grouped_ops(AROUND).iter().enumerate() {
        if position > 0 {
            text.push_str("  ...\n");
        }
        for operation in group {
            for change in difference.iter_inline_changes(operation) {
                let parts: Vec<(bool, &str)> = change
                    .values()
                    .iter()
                    .map(|(differs, words)| (*differs, words.trim_end_matches('\n')))
                    .collect();
                text.push_str(&line(change.tag(), &parts, colours));
            }
        }
    }
    text
}

fn line(tag: ChangeTag, parts: &[(bool, &str)], colours: bool) -> String {
    let (sign, style) = match tag {
        ChangeTag::Equal => (" ", DIM),
        ChangeTag::Delete => ("-", GREEN),
        ChangeTag::Insert => ("+", RED),
    };
    let mut line = paint(style, &format!("{sign} "), colours);
    let points_within = parts.iter().any(|(differs, _)| *differs)
        && parts
            .iter()
            .any(|(differs, words)| !differs && !words.trim().is_empty());
    for (differs, words) in parts {
        let style = if *differs && points_within {
            style.underline()
        } else {
            style
        };
        line.push_str(&paint(style, words, colours));
    }
    line.push('\n');
    if !colours && points_within {
        let marks: String = parts
            .iter()
            .flat_map(|(differs, words)| words.chars().map(|_| if *differs { '^' } else { ' ' }))
            .collect();
        line.push_str(&format!("  {}\n", marks.trim_end()));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_that_differ_are_pointed_at() {
        assert_eq!(
            between("a\n< 303 See Other\n", "a\n< 302 Found\n", false),
            "  a\n\
             - < 303 See Other\n    ^^^ ^^^^^^^^^\n\
             + < 302 Found\n    ^^^ ^^^^^\n"
        );
    }

    #[test]
    fn a_line_that_is_only_missing_is_not_pointed_into() {
        assert_eq!(between("a\nb\n", "a\n", false), "  a\n- b\n");
    }
}
