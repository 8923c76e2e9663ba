//! `cargo run -p drawing --bin record`: records the conversations whose bytes
//! the book shows, between a real browser and the finished solutions.

use std::process::ExitCode;

use drawing::recording::{self, conversations};

#[tokio::main]
async fn main() -> ExitCode {
    match record().await {
        Ok(count) => {
            println!(
                "Recorded {count} conversations into book/recordings. \
                 Next: cargo run -p drawing --bin draw"
            );
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

async fn record() -> Result<usize, String> {
    let recordings = conversations::record().await?;
    for (name, recording) in &recordings {
        recording::write(name, recording)?;
    }
    Ok(recordings.len())
}
