//! What was measured, as it is printed and kept.

use serde::{Deserialize, Serialize};

/// One run of one server.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Measured {
    /// Which server: `solution-7`, `plain` or `bare-writer`.
    pub subject: String,
    /// Messages received by clients in a second, all together.
    pub deliveries_per_second: f64,
    /// Half of the deliveries took no longer, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 deliveries took no longer, in milliseconds.
    pub p99_ms: f64,
    /// CPU time of the server for one delivery, in microseconds.
    pub cpu_us: Option<f64>,
    /// CPU time of the crowd for one delivery, in microseconds: below the server's,
    /// or it is the crowd that was measured.
    pub crowd_cpu_us: Option<f64>,
    /// Memory of the server for one idle connection, in bytes.
    pub bytes_per_connection: Option<f64>,
    /// WebSockets opened in a second, a hundred at the same time.
    pub opened_per_second: f64,
}

impl Measured {
    /// How much of its core the server had. Where that is far below 100, it is
    /// not the server that was measured.
    pub fn core_percent(&self) -> Option<f64> {
        Some(self.cpu_us? * self.deliveries_per_second / 1e4)
    }
}

/// What a committed measurement file holds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Measurement {
    /// The machine, in words.
    pub machine: String,
    /// How many clients listened.
    pub clients: usize,
    /// How many messages were on their way at the same time.
    pub window: usize,
    /// How long one spoke in each run, in seconds.
    pub seconds: u64,
    /// Every run, in the order in which they were made.
    pub runs: Vec<Measured>,
}

impl Measurement {
    /// The middle one of what the runs of a subject give.
    pub fn median(&self, subject: &str, of: impl Fn(&Measured) -> Option<f64>) -> Option<f64> {
        let runs = self.runs.iter().filter(|run| run.subject == subject);
        median(runs.filter_map(of).collect())
    }

    /// The middle one of the ratios of deliveries per second, each of two runs side by side.
    pub fn ratio(&self, subject: &str, to: &str) -> Option<f64> {
        let of = |name: &str| -> Vec<f64> {
            let runs = self.runs.iter().filter(|run| run.subject == name);
            runs.map(|run| run.deliveries_per_second).collect()
        };
        let pairs = of(subject).into_iter().zip(of(to));
        median(pairs.map(|(one, other)| one / other).collect())
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
