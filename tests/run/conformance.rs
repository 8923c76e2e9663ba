//! `cargo test --test conformance`: Autobahn's cases, run by kosoku against the
//! finished echo of lesson 3. All that are not about compression must pass, and
//! each must end with a close code wherever one is due.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use graders::building::build;
use graders::grading::RUNTIME;
use graders::harness::{arguments, run};
use graders::server::{Program, Server};
use libtest_mimic::Trial;
use serde_json::Value;

/// The runner of Autobahn's cases, from PyPI. It is young, so its version is fixed.
const RUNNER: &str = "kosoku==0.1.0";

/// How many cases there are without compression (12 and 13).
const CASES: usize = 301;

/// In this case the client closes without a code, and gets none back.
const CLOSE_WITHOUT_A_CODE: &str = "7.3.1";

fn main() -> ExitCode {
    let arguments = arguments();
    let solution = "solution-3".to_string();
    let trial = Trial::test("conformance-3", move || {
        let program = build(std::slice::from_ref(&solution)).program(&solution)?;
        RUNTIME.block_on(conforms(&Program::Built(program)))?;
        Ok(())
    });
    run(&arguments, vec![trial]).exit_code()
}

async fn conforms(program: &Program) -> Result<(), String> {
    let server = Server::start(program).await?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    // What an earlier run has left must not be taken for this one's.
    let _ = fs::remove_dir_all(&folder);
    let runner = env::var_os("KOSOKU").unwrap_or("kosoku".into());
    let output = Command::new(runner)
        // A route without the limit of a chat: case 9 sends messages of 16 MiB.
        .arg(format!("ws://{}/ws/any", server.address))
        .args(["-x", "12.*", "-x", "13.*", "-o"])
        .arg(&folder)
        .output()
        .map_err(|error| format!("kosoku could not be started ({error}): pip install {RUNNER}"))?;
    let words = String::from_utf8_lossy(&output.stderr);
    let report = fs::read_to_string(folder.join("index.json"))
        .map_err(|error| format!("kosoku left no report ({error}); it said: {words}"))?;
    let report: Value = serde_json::from_str(&report).map_err(|error| error.to_string())?;
    let servers = report.as_object().into_iter().flat_map(|all| all.values());
    let cases = servers.filter_map(Value::as_object).flatten();
    let outcomes: Vec<Result<(), String>> = cases.map(|(id, case)| judge(id, case)).collect();
    let wrong: Vec<&String> = outcomes
        .iter()
        .filter_map(|one| one.as_ref().err())
        .collect();
    if !wrong.is_empty() {
        return Err(format!(
            "{} of {} cases: {wrong:#?}",
            wrong.len(),
            outcomes.len()
        ));
    }
    if outcomes.len() != CASES {
        return Err(format!("kosoku ran {} cases, not {CASES}", outcomes.len()));
    }
    println!("{CASES} Autobahn cases, each with a close code where one is due");
    Ok(())
}

fn judge(id: &str, case: &Value) -> Result<(), String> {
    for part in ["behavior", "behaviorClose"] {
        let behaviour = case[part].as_str().unwrap_or("nothing");
        if !matches!(behaviour, "OK" | "NON-STRICT" | "INFORMATIONAL") {
            return Err(format!("{id}: {part} is {behaviour}"));
        }
    }
    if case["remoteCloseCode"].is_null() && id != CLOSE_WITHOUT_A_CODE {
        return Err(format!("{id}: the connection ended without a close code"));
    }
    Ok(())
}
