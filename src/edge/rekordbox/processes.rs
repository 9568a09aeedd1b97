//! Which Rekordbox processes run. Rekordbox keeps its collection in memory and would write over ours.

use std::sync::Arc;

use sysinfo::{ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

use super::RekordboxError;

/// The processes that hold the database, without the `.exe` of Windows. The agent survives the
/// application's own end.
const NAMES: [&str; 2] = ["rekordbox", "rekordboxagent"];

/// How the machine's processes are listed.
#[derive(Clone)]
pub struct Processes(Arc<Listing>);

type Listing = dyn Fn() -> Result<Vec<String>, String> + Send + Sync;

impl Processes {
    /// The operating system's processes.
    #[must_use]
    pub fn system() -> Self {
        Self::listed_by(system_names)
    }

    /// Always these, for tests and demonstrations.
    #[must_use]
    pub fn fixed<Name: Into<String>>(names: impl IntoIterator<Item = Name>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        Self::listed_by(move || Ok(names.clone()))
    }

    /// Whatever `list` says: names, or why they cannot be told.
    #[must_use]
    pub fn listed_by(
        list: impl Fn() -> Result<Vec<String>, String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(list))
    }

    /// The names of running Rekordbox processes, sorted, each once.
    pub(super) fn running(&self) -> Result<Vec<String>, RekordboxError> {
        let names = (self.0)().map_err(RekordboxError::Running)?;
        let mut ours: Vec<String> = names.into_iter().filter(|name| is_ours(name)).collect();
        ours.sort();
        ours.dedup();
        Ok(ours)
    }

    /// Refuses when one runs, or when it cannot be told.
    pub(super) fn refuse_running(&self) -> Result<(), RekordboxError> {
        let running = self.running()?;
        if running.is_empty() {
            Ok(())
        } else {
            Err(RekordboxError::Running(running.join(", ")))
        }
    }
}

impl std::fmt::Debug for Processes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Processes")
    }
}

fn is_ours(name: &str) -> bool {
    let name = name.to_lowercase();
    NAMES.contains(&name.strip_suffix(".exe").unwrap_or(&name))
}

/// A list without a single process is no list: this program itself runs.
fn system_names() -> Result<Vec<String>, String> {
    let mut system = System::new().map_err(|error| error.to_string())?;
    system.refresh_processes_specifics(
        ProcessesToUpdate::All,
        true,
        ProcessRefreshKind::nothing().without_tasks(),
    );
    let names: Vec<String> = system
        .processes()
        .values()
        .filter(|process| !has_ended(process.status()))
        .map(|process| process.name().to_string_lossy().into_owned())
        .collect();
    if names.is_empty() {
        return Err("the running processes cannot be listed".to_owned());
    }
    Ok(names)
}

fn has_ended(status: ProcessStatus) -> bool {
    matches!(status, ProcessStatus::Zombie | ProcessStatus::Dead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_exactly_but_for_case_and_exe() {
        let names = [
            "rekordbox",
            "rekordboxAgent.exe",
            "Rekordbox.EXE",
            "my-rekordbox",
            "rekordbox2",
            "sh",
        ];
        assert_eq!(
            Processes::fixed(names).running().unwrap(),
            ["Rekordbox.EXE", "rekordbox", "rekordboxAgent.exe"]
        );
    }

    #[test]
    fn what_cannot_be_told_counts_as_running() {
        let blind = Processes::listed_by(|| Err("no permission".to_owned()));
        let error = blind.refuse_running().unwrap_err();
        assert_eq!(error.to_string(), "Rekordbox is running (no permission)");
    }

    #[cfg(unix)]
    #[test]
    fn real_processes_are_listed_by_their_programs_name_while_they_live() {
        // Not named like Rekordbox itself, which would alarm whatever else runs on this machine.
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("rekordboxSleep");
        let sleep = ["/bin/sleep", "/usr/bin/sleep"];
        let sleep = sleep
            .iter()
            .find(|path| std::path::Path::new(path).exists());
        std::fs::copy(sleep.unwrap(), &program).unwrap();
        let mut child = std::process::Command::new(&program)
            .arg("60")
            .spawn()
            .unwrap();
        let seen = system_names().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let is_child = |name: &String| name == "rekordboxSleep";
        assert!(seen.iter().any(is_child), "{seen:?}");
        assert!(!system_names().unwrap().iter().any(is_child));
    }
}
