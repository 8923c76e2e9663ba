//! The difference between the accepted transcript and yours, to be read by a person.

use similar::{ChangeTag, TextDiff};
use unicode_width::UnicodeWidthStr;

use crate::colours::{DIM, GREEN, RED, paint};

/// How many equal lines stand around a difference.
const AROUND: usize = 6;

/// The difference, a line each: `-` is expected, `+` is yours. In colour the
/// words that differ within a line are underlined; without, a line of `^`
/// below points at them.
pub fn between(expected: &str, yours: &str, colours: bool) -> String {
    let difference = TextDiff::from_lines(expected, yours);
    let mut text = String::new();
    for group in difference.grouped_ops(AROUND) {
        if group
            .first()
            .is_some_and(|first| first.old_range().start > 0)
        {
            text.push_str(&paint(DIM, "  ...\n", colours));
        }
        for operation in &group {
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
    let lines = text.lines().count();
    if lines > LONGEST {
        text = text.split_inclusive('\n').take(LONGEST).collect();
        text.push_str(&and_more(lines - LONGEST, colours));
    }
    text
}

/// After this many lines a difference is cut: the first ones say enough.
const LONGEST: usize = 40;

fn and_more(lines: usize, colours: bool) -> String {
    let lines = if lines == 1 {
        "1 more line".to_string()
    } else {
        format!("{lines} more lines")
    };
    paint(DIM, &format!("  ... and {lines}\n"), colours)
}

/// The difference of a conversation that ended early: of what was still
/// expected, only the next lines.
pub fn until_the_end(expected: &str, yours: &str, colours: bool) -> String {
    let pairs = expected.lines().zip(yours.lines());
    let same = pairs.take_while(|(one, other)| one == other).count();
    let shown = yours.lines().count().max(same + 1);
    let cut: String = expected.split_inclusive('\n').take(shown).collect();
    let mut text = between(&cut, yours, colours);
    let more = expected.lines().count().saturating_sub(shown);
    if more > 0 {
        text.push_str(&and_more(more, colours));
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
    let length = |of: bool| -> usize {
        let parts = parts.iter().filter(|(differs, _)| *differs == of);
        parts.map(|(_, words)| words.trim().len()).sum()
    };
    // Where most of a line differs, pointing into it would only be noise.
    let points_within = length(true) > 0 && length(true) <= length(false);
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
            .map(|(differs, words)| if *differs { "^" } else { " " }.repeat(words.width()))
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
            between("a\nb < close 1000\n", "a\nb < close 1002\n", false),
            "  a\n\
             - b < close 1000\n            ^^^^\n\
             + b < close 1002\n            ^^^^\n"
        );
    }

    #[test]
    fn a_wide_character_takes_two_places() {
        assert_eq!(
            between("b < 안녕 하나\n", "b < 안녕 둘\n", false),
            "- b < 안녕 하나\n           ^^^^\n\
             + b < 안녕 둘\n           ^^\n"
        );
    }

    #[test]
    fn what_was_not_reached_is_cut() {
        let expected = "a\nb\nc\nd\ne\nf\n";
        assert_eq!(
            until_the_end(expected, "a\nnothing\n", false),
            "  a\n- b\n+ nothing\n  ... and 4 more lines\n"
        );
    }

    #[test]
    fn a_line_that_is_only_missing_is_not_pointed_into() {
        assert_eq!(between("a\nb\n", "a\n", false), "  a\n- b\n");
    }
}
