//! The book's message sequence charts, each drawn from an accepted transcript.

use std::ops::RangeInclusive;

use graders::lesson::Number;

use crate::chart::Chart;
use crate::{Drawn, transcript};

/// A chart of the book.
struct Figure {
    name: &'static str,
    exercise: Number,
    /// Which steps of the transcript are drawn; the first is 1.
    steps: RangeInclusive<usize>,
    /// What the line on the right is called.
    server: &'static str,
}

const FIGURES: &[Figure] = &[
    figure("1-request-response", Number(1, 1), 1..=1),
    figure("1-redirect", Number(1, 3), 1..=1),
    figure("2-since", Number(2, 3), 1..=1),
    figure("2-long-poll", Number(2, 5), 3..=4),
    figure("2-events", Number(2, 6), 1..=3),
    figure("3-echo", Number(3, 1), 1..=1),
    figure("3-server-speaks", Number(3, 2), 1..=1),
    figure("3-close", Number(3, 4), 1..=1),
    figure("4-chat", Number(4, 1), 4..=5),
    figure("4-presence", Number(4, 2), 1..=2),
    figure("4-gone", Number(4, 2), 5..=6),
    figure("5-rooms", Number(5, 2), 5..=6),
    figure("5-refused", Number(5, 3), 13..=13),
    figure("5-one-name", Number(5, 5), 3..=5),
    figure("6-rooms", Number(6, 1), 6..=6),
    figure("6-replies", Number(6, 2), 3..=3),
    figure("6-news", Number(6, 3), 4..=4),
    figure("6-subprotocol", Number(6, 4), 4..=4),
    figure("6-gone", Number(6, 5), 3..=3),
    figure("7-hard-work", Number(7, 1), 3..=5),
    figure("7-stall", Number(7, 3), 6..=8),
    figure("8-across", Number(8, 1), 3..=4).of("A and B"),
    figure("8-gone", Number(8, 3), 6..=8).of("A and B"),
    figure("8-back", Number(8, 3), 12..=13).of("A, B, C"),
];

const fn figure(name: &'static str, exercise: Number, steps: RangeInclusive<usize>) -> Figure {
    Figure {
        name,
        exercise,
        steps,
        server: "server",
    }
}

impl Figure {
    /// The clients are those of several processes.
    const fn of(mut self, processes: &'static str) -> Self {
        self.server = processes;
        self
    }
}

/// Draws all charts.
///
/// # Errors
/// The transcript that cannot be read, or has fewer steps.
pub fn all() -> Result<Vec<Drawn>, String> {
    FIGURES.iter().map(draw).collect()
}

fn draw(figure: &Figure) -> Result<Drawn, String> {
    let steps = transcript::accepted(figure.exercise)?;
    if *figure.steps.end() > steps.len() {
        return Err(format!(
            "{} wants step {} of exercise {}, which has {}",
            figure.name,
            figure.steps.end(),
            figure.exercise,
            steps.len()
        ));
    }
    let (before, shown) = steps.split_at(figure.steps.start() - 1);
    let shown = &shown[..figure.steps.clone().count()];
    Ok(Drawn {
        name: format!("{}.svg", figure.name),
        text: Chart::new(before, shown).with(figure.server).to_svg(),
    })
}
