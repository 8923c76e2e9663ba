//! What a server takes of its machine: memory, descriptors and threads. Linux
//! tells it in `/proc`; elsewhere nothing is measured.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::conversation::PATIENCE;
use crate::server::Server;

/// Why nothing can be measured on this machine, in one sentence.
pub fn missing() -> Option<String> {
    if cfg!(target_os = "linux") {
        None
    } else {
        Some("needs Linux: what a process takes is read from /proc".to_string())
    }
}

/// What a server takes at a moment, together with the processes that it has started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// The memory that is in RAM, in KiB: `VmRSS`.
    pub memory: usize,
    /// Open descriptors: one for each connection, and a few more.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
}

impl Resources {
    /// What all processes of a group take.
    ///
    /// # Errors
    /// When the group has no process that can be looked at.
    fn of_group(group: u32) -> Result<Self, String> {
        let mut sum = Self::default();
        let mut processes = 0;
        for folder in fs::read_dir("/proc").into_iter().flatten().flatten() {
            // Whatever ends while it is looked at takes nothing any more.
            if group_of(&folder.path()) == Some(group)
                && let Some(one) = Self::of_process(&folder.path())
            {
                processes += 1;
                sum.memory += one.memory;
                sum.descriptors += one.descriptors;
                sum.threads += one.threads;
            }
        }
        if processes > 0 {
            Ok(sum)
        } else {
            Err(format!("/proc tells nothing of process group {group}"))
        }
    }

    fn of_process(folder: &Path) -> Option<Self> {
        let status = fs::read_to_string(folder.join("status")).ok()?;
        Some(Self {
            memory: figure(&status, "VmRSS:")?,
            descriptors: fs::read_dir(folder.join("fd")).ok()?.count(),
            threads: figure(&status, "Threads:")?,
        })
    }
}

impl Server {
    /// What the server takes now.
    ///
    /// # Errors
    /// When it cannot be measured.
    pub fn resources(&self) -> Result<Resources, String> {
        Resources::of_group(self.process_group())
    }

    /// Waits until the server takes no more than it should: a server lets go of
    /// a connection a moment after its client has.
    ///
    /// # Errors
    /// What it still takes when patience is over.
    pub async fn resources_become(
        &self,
        fit: impl Fn(&Resources) -> bool,
    ) -> Result<Resources, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.resources()?;
            if fit(&now) {
                return Ok(now);
            }
            if Instant::now() >= deadline {
                let seconds = PATIENCE.as_secs();
                return Err(format!("after {seconds} s the server still takes {now:?}"));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The group of a process, the fifth field of its `stat`. The second one, its
/// name, may hold anything, and ends at the last bracket.
fn group_of(folder: &Path) -> Option<u32> {
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(2)?.parse().ok()
}

/// The figure in the line of `status` with this label.
fn figure(status: &str, label: &str) -> Option<usize> {
    let line = status.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_measured() {
        let ours = group_of(Path::new("/proc/self")).expect("this process has a group");
        let ours = Resources::of_group(ours).expect("this process is in it");
        assert!(
            ours.memory > 0 && ours.descriptors > 2 && ours.threads > 0,
            "{ours:?}"
        );
    }
}
