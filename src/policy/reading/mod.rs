//! From the document to the policy: every value read, checked and given its default.

mod conditions;
mod language;
mod library;
mod paths;
mod rules;
mod sections;
mod watch;

pub(super) use rules::Rules;

use std::path::{Path, PathBuf};

use super::{
    Policy, PolicySource,
    diagnostic::{Code, Diagnostic, Severity},
    document::{Document, Table, Value},
    keys, lint,
};
use crate::domain::ContentHash;

/// What paths in a policy are relative to.
struct Surroundings<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    home: &'a Path,
    /// Where the policy file lies.
    folder: PathBuf,
}

impl Policy {
    /// Reads the text of a policy file. `path` is where it lies, absolute; `env` gives the variables
    /// that stand in paths. Comes with warnings.
    ///
    /// # Errors
    /// With everything that is wrong with it, at least one of them an error.
    pub fn parse(
        path: &Path,
        text: &str,
        env: &dyn Fn(&str) -> Option<String>,
        home: &Path,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let document = Document::new(name.to_string_lossy().into_owned(), text);
        let surroundings = Surroundings {
            env,
            home,
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
        };
        let source = PolicySource {
            path: path.to_owned(),
            sha256: ContentHash::of(text.as_bytes()),
        };
        let table = document.parse();
        let policy = table
            .as_ref()
            .map(|table| read(&document.top(table), &surroundings, source));
        let findings = document.into_findings();
        let failed = findings
            .iter()
            .any(|finding| finding.severity == Severity::Error);
        match policy {
            Some(policy) if !failed => Ok((policy, findings)),
            Some(_) | None => Err(findings),
        }
    }
}

fn read(top: &Table<'_>, surroundings: &Surroundings<'_>, source: PolicySource) -> Policy {
    top.only(keys::TOP);
    version(top);
    let rules = rules::read(top);
    let my_tags = language::read(top);
    lint::check(top.document(), &rules);
    rules::archive_templates(top, &my_tags);
    let policy = Policy {
        source,
        state_path: library::state_path(top, surroundings),
        state_url: library::state_url(top),
        required_approvals: library::required_approvals(top),
        library: library::library(top, surroundings),
        tidal: sections::tidal(top, surroundings),
        download: sections::download(top),
        rekordbox: sections::rekordbox(top, surroundings),
        defaults: sections::defaults(top),
        safety: sections::safety(top),
        trash: sections::trash(top),
        matching: sections::matching(top),
        watch: watch::read(top),
        own: sections::ownership(top),
        freezes: rules::freezes(top),
        protects: rules.protects.into_iter().map(|(it, _)| it).collect(),
        rules: rules.rules.into_iter().map(|(it, _)| it).collect(),
        playlists: rules::playlists(top),
        moved: rules::moved(top),
        my_tags,
        tests: Vec::new(),
        lines: top.lines(),
    };
    let tests = rules::tests(top, &policy);
    Policy { tests, ..policy }
}

fn version(top: &Table<'_>) {
    let Some(value) = top.need("version", "version = 1") else {
        return;
    };
    if let Some(version) = value.number::<i64>(0..=i64::MAX)
        && version != 1
    {
        let message = format!("version {version} of the policy language is not known here");
        let help = "this program reads version 1".to_owned();
        value.report(Code::BadVersion, message, Some(help));
    }
}

/// A list of texts; a single text is a list of one.
fn texts(table: &Table<'_>, key: &str) -> Option<Vec<String>> {
    let items = table.get(key)?.items();
    Some(
        items
            .iter()
            .filter_map(Value::name)
            .map(str::to_owned)
            .collect(),
    )
}

fn duration(value: &Value<'_>) -> Option<std::time::Duration> {
    let what = "duration: `30d`, `24h`, `10m` or `3s`";
    value.parsed(Code::BadValue, what, super::values::duration)
}
