//! Which commit a policy is of.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Stdio},
};

/// The commit of the repository that the policy lies in, for the history; with a `+` when the file is
/// not as it was committed. `None` without a repository, or without git.
#[must_use]
pub fn commit_of(policy: &Path) -> Option<String> {
    let folder = policy.parent()?;
    let git = |words: &[&OsStr]| {
        let mut git = Command::new("git");
        git.arg("-C")
            .arg(folder)
            .args(["-c", "core.fsmonitor=false"]);
        git.args(words).env("GIT_OPTIONAL_LOCKS", "0");
        let done = git.stdin(Stdio::null()).output().ok()?;
        let said = String::from_utf8(done.stdout).ok()?;
        done.status.success().then(|| said.trim().to_owned())
    };
    let commit = git(&["rev-parse".as_ref(), "--verify".as_ref(), "HEAD".as_ref()])?;
    let status = git(&[
        "status".as_ref(),
        "--porcelain".as_ref(),
        "--".as_ref(),
        policy.file_name()?,
    ])?;
    let mark = if status.is_empty() { "" } else { "+" };
    Some(format!("{commit}{mark}"))
}
