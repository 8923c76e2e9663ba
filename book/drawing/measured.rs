//! What `cargo bench --bench fanout` measured, as a picture and as the rows of
//! tables. The names in it are those that the benchmark prints.

use std::fs;

use bench::bare::Bare;
use bench::measured::{Measured, Measurement};
use graders::lesson::workbook;

use crate::Drawn;
use crate::numbers::with_commas;
use crate::recorded::anchors::Anchors;
use crate::svg::{Head, escaped, picture};

/// The servers in the order of the picture.
const SUBJECTS: [&str; 11] = [
    "plain",
    "one-loop",
    "small-buffer",
    "nodelay",
    "one-write",
    "solution-4",
    "solution-5",
    "solution-7",
    "solution-8",
    "bare-writer",
    "bare-tasks",
];

/// `fanout.svg` and `fanout.txt`.
///
/// # Errors
/// When the measurement cannot be read, or lacks a server.
pub fn all() -> Result<Vec<Drawn>, String> {
    let path = workbook().join("bench/fanout.json");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let measurement =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let rows = SUBJECTS.map(|subject| Row::of(&measurement, subject));
    let rows: Vec<Row> = rows.into_iter().collect::<Result<_, _>>()?;
    Ok(vec![
        table(&measurement, &rows),
        Drawn {
            name: "fanout.svg".to_string(),
            text: svg(&rows),
        },
    ])
}

/// The medians of one server.
struct Row {
    name: &'static str,
    deliveries: f64,
    /// Deliveries per second of each run.
    runs: Vec<f64>,
    times_writer: f64,
    times_tasks: f64,
    times_plain: f64,
    p50: f64,
    p99: f64,
    cpu: f64,
    idle: f64,
    /// Sockets opened in a second.
    opened: f64,
}

impl Row {
    fn of(measurement: &Measurement, name: &'static str) -> Result<Self, String> {
        let lacks = || format!("bench/fanout.json has no whole measurement of {name}");
        let median = |of: fn(&Measured) -> Option<f64>| measurement.median(name, of);
        let row = || {
            Some(Self {
                name,
                deliveries: median(|run| Some(run.deliveries_per_second))?,
                runs: measurement
                    .runs
                    .iter()
                    .filter(|run| run.subject == name)
                    .map(|run| run.deliveries_per_second)
                    .collect(),
                times_writer: measurement.ratio(name, Bare::Writer.name())?,
                times_tasks: measurement.ratio(name, Bare::Tasks.name())?,
                times_plain: measurement.ratio(name, "plain")?,
                p50: median(|run| Some(run.p50_ms))?,
                p99: median(|run| Some(run.p99_ms))?,
                cpu: median(|run| run.cpu_us)?,
                idle: median(|run| run.bytes_per_connection)?,
                opened: median(|run| Some(run.opened_per_second))?,
            })
        };
        row().ok_or_else(lacks)
    }
}

/// Parts of `fanout.txt`: `machine`, `clients`, `window`; for each server the
/// row of the table, and `NAME-deliveries`, `-times-writer`, `-times-tasks`,
/// `-times-plain`, `-p50`, `-p99`, `-cpu`, `-idle` (in kilobytes),
/// `-opened` (sockets in a second).
fn table(measurement: &Measurement, rows: &[Row]) -> Drawn {
    let mut anchors = Anchors::default();
    anchors.add("machine", &measurement.machine);
    anchors.add("clients", measurement.clients);
    anchors.add("window", measurement.window);
    for row in rows {
        let name = row.name;
        let cells = [
            ("deliveries", in_thousands(row.deliveries)),
            ("times-writer", format!("{:.2}", row.times_writer)),
            ("times-tasks", format!("{:.2}", row.times_tasks)),
            ("times-plain", format!("{:.1}", row.times_plain)),
            ("p50", format!("{:.0}", row.p50)),
            ("p99", format!("{:.0}", row.p99)),
            ("cpu", format!("{:.1}", row.cpu)),
            ("idle", format!("{:.1}", row.idle / 1000.0)),
        ];
        // The picture tells the deliveries already.
        let values = cells[1..].iter().map(|(_, value)| value.as_str());
        let values: Vec<&str> = values.collect();
        anchors.add(name, values.join(" | "));
        for (column, value) in &cells {
            anchors.add(format_args!("{name}-{column}"), value);
        }
        let opened = (row.opened / 100.0).round() as usize * 100;
        anchors.add(format_args!("{name}-opened"), with_commas(opened));
    }
    anchors.file("fanout.txt")
}

/// The width of the picture, and of the longest bar.
const WIDTH: f64 = 340.0;

/// The height of a server's name and bar.
const ROW: f64 = 38.0;

const BAR: f64 = 14.0;

/// A bar for each server, as long as its deliveries per second are many; below
/// it a tick for each run, so that nobody takes the median for more than it is.
fn svg(rows: &[Row]) -> String {
    let runs = rows.iter().flat_map(|row| &row.runs);
    let most = runs.fold(1.0, |most, run| f64::max(most, *run));
    let mut bars = Vec::new();
    let mut ticks = Vec::new();
    let mut texts = Vec::new();
    let mut alternative = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let top = index as f64 * ROW;
        let length = WIDTH * row.deliveries / most;
        let value = format!("{}/s", in_thousands(row.deliveries));
        bars.push(format!(
            r#"<rect x="0" y="{}" width="{length:.0}" height="{BAR}"/>"#,
            top + 19.0
        ));
        for run in &row.runs {
            let place = WIDTH * run / most;
            ticks.push(format!(r#"<path d="M{place:.0} {}v4"/>"#, top + 34.0));
        }
        texts.push(format!(
            r#"<text x="0" y="{}">{}</text>"#,
            top + 14.0,
            escaped(row.name)
        ));
        texts.push(format!(
            r#"<text x="{WIDTH}" y="{}" text-anchor="end">{value}</text>"#,
            top + 14.0
        ));
        alternative.push(format!("{} {value}", row.name));
    }
    let head = Head {
        alternative: &alternative.join(", "),
        width: WIDTH as f32,
        height: (rows.len() as f64 * ROW) as f32,
    };
    picture(&head, &bars, &ticks, &texts)
}
/// A number of deliveries: what is below a thousand means nothing.
fn in_thousands(deliveries: f64) -> String {
    with_commas((deliveries / 1000.0).round() as usize * 1000)
}
