//! A reading of files, Rekordbox and state as one document, and a plan from it: policy as code, where
//! there is neither music nor a database.
//!
//! Nothing in it is a secret, and no path is absolute: library and sources stand for themselves, what
//! lies elsewhere is told by a hash and the file's name. A plan from it has the bytes of a plan on the
//! machine itself; what is applied is checked against the machine as always. One exception: a playlist
//! file of ours that names files of an extra source has their absolute paths in it, so its hash there is
//! another than here.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        Collection, ContentHash, Library, MediaPath, Observed, State,
        state::{Meta, StateRow},
    },
    edge::tidal::{SnapshotFile, TidalApi as _},
    observe::Observation,
    plan::canonical,
    policy::Policy,
};

use super::{
    engine::{self, Evidence, FailedFetches, Made, Request, former_of, plan_over},
    error::{CliError, Kind},
    settings::Settings,
    ui::Ui,
    view::redact::Redactor,
};

/// The document's kind.
const KIND: &str = "tidal-cleanup/observed";
/// The version that this program writes and reads.
const VERSION: &str = "1.0";
/// More is no reading of a music library.
const MAX_BYTES: usize = 1 << 30;

/// The reading.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Portable {
    kind: String,
    format_version: String,
    /// When it was taken.
    taken_at: Timestamp,
    pub library: Observed<Library>,
    pub rekordbox: Option<Observed<Collection>>,
    meta: Meta,
    state: Vec<StateRow>,
    /// How many roots there are: the library, then its sources.
    roots: usize,
    local_lists: BTreeMap<String, MediaPath>,
    past_removals: Vec<(Timestamp, u64)>,
    failed_fetches: FailedFetches,
    files_before: Option<usize>,
    /// The policy of the last apply.
    applied_policy: Option<String>,
}

/// What stands for a root.
fn stand_in(number: usize) -> PathBuf {
    match number {
        0 => PathBuf::from("/library"),
        _ => PathBuf::from(format!("/source-{number}")),
    }
}

/// A path of Rekordbox without this machine in it.
fn portable_path(observation: &Observation, absolute: &str, is_streaming: bool) -> String {
    if is_streaming {
        return absolute.to_owned();
    }
    if let Some(path) = observation.locate(absolute) {
        let below = stand_in(path.root()).join(path.relative());
        return below.to_string_lossy().replace('\\', "/");
    }
    let name = absolute.rsplit(['/', '\\']).next().unwrap_or_default();
    let hash = ContentHash::of(absolute.as_bytes()).to_string();
    format!("/elsewhere/{}/{name}", &hash[..16])
}

impl Portable {
    /// What was read, without what is this machine's alone.
    #[must_use]
    pub fn of(
        observation: &Observation,
        evidence: &Evidence,
        applied_policy: Option<String>,
        home: &Path,
    ) -> Self {
        let mut library = observation.library.clone();
        let mut rekordbox = observation.rekordbox.clone();
        for content in rekordbox
            .iter_mut()
            .flat_map(|read| read.value.contents.values_mut())
        {
            let is_streaming = content.is_streaming();
            content.folder_path = portable_path(observation, &content.folder_path, is_streaming);
        }
        // Problems are told in words, which may name a place.
        let mut places: Vec<(String, String)> = observation
            .roots
            .iter()
            .enumerate()
            .map(|(number, root)| {
                (
                    root.display().to_string(),
                    stand_in(number).display().to_string(),
                )
            })
            .collect();
        places.push((home.display().to_string(), "~".to_owned()));
        let hide = |text: &mut String| {
            for (place, name) in places.iter().filter(|(place, _)| place.len() > 1) {
                *text = text.replace(place.as_str(), name);
            }
        };
        let of_rekordbox = rekordbox.iter_mut().flat_map(|read| &mut read.problems);
        for problem in library.problems.iter_mut().chain(of_rekordbox) {
            hide(&mut problem.subject);
            hide(&mut problem.message);
        }
        for file in &mut library.value.files {
            if let Some(problem) = &mut file.problem {
                hide(problem);
            }
        }
        let mut failed_fetches = evidence.failed_fetches.clone();
        for failed in failed_fetches.values_mut() {
            hide(&mut failed.message);
        }
        Self {
            kind: KIND.to_owned(),
            format_version: VERSION.to_owned(),
            taken_at: Timestamp::now(),
            library,
            rekordbox,
            meta: observation.state.meta.clone(),
            state: observation.state.rows(),
            roots: observation.roots.len(),
            local_lists: observation.local_lists.clone(),
            past_removals: evidence.past_removals.clone(),
            failed_fetches,
            files_before: evidence.files_before,
            applied_policy,
        }
    }

    /// The document, one line a file, track and row.
    ///
    /// # Panics
    /// Never: every key is a text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("every key is a text")
    }

    /// The same document with ids for names; a policy that goes by names plans otherwise from it.
    ///
    /// # Panics
    /// Never: every key is a text.
    #[must_use]
    pub fn to_redacted_json(&self) -> String {
        let own = Self {
            applied_policy: None,
            ..self.clone()
        };
        let document = serde_json::to_value(own).expect("every key is a text");
        let redacted = Redactor::of_document(document);
        serde_json::to_string_pretty(&redacted).expect("every key is a text")
    }

    /// Reads the document.
    ///
    /// # Errors
    /// When it is something else, or of another version.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let bytes = std::fs::read(path).map_err(|error| CliError::file("read", path, error))?;
        let wrong = |what: String| {
            CliError::user(format!(
                "{} is no reading of a machine: {what}",
                path.display()
            ))
            .hint("make one with `tidal-cleanup snapshot observed --out observed.json`")
        };
        if bytes.len() > MAX_BYTES {
            return Err(wrong("it is larger than 1 GiB".to_owned()));
        }
        let mut read: Self =
            serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if read.kind != KIND || read.format_version != VERSION {
            return Err(wrong(format!(
                "it is {} {}",
                read.kind, read.format_version
            )));
        }
        // Files are looked up by binary search.
        let library = &mut read.library.value;
        library.files.sort_by(|a, b| a.path.cmp(&b.path));
        library.sidecars.sort_by(|a, b| a.path.cmp(&b.path));
        library.vanished.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(read)
    }
}

/// A plan of a saved reading, as it would be made on the machine itself.
///
/// # Errors
/// When a reading cannot be used, or has not the hashes that the policy needs.
pub async fn plan(
    settings: &Settings,
    ui: &Ui,
    policy: &Policy,
    path: &Path,
    request: &Request,
) -> Result<Made, CliError> {
    let read = Portable::read(&settings.around.absolute(path))?;
    let Some(desired) = &request.inputs.desired else {
        return Err(CliError::message(
            Kind::Usage,
            "`--observed` needs `--desired`, a reading of TIDAL",
        ));
    };
    let tidal = SnapshotFile {
        path: settings.around.absolute(desired),
    };
    let evidence = Evidence {
        past_removals: read.past_removals,
        failed_fetches: read.failed_fetches,
        files_before: read.files_before,
        former: read
            .applied_policy
            .and_then(|text| former_of(policy, &text, settings)),
        read_only: policy
            .tidal
            .cleanup
            .is_asked_for()
            .then(|| "TIDAL was read from a file, so it is not changed".to_owned()),
    };
    let mut observation = Observation {
        tidal: tidal.read().await?,
        library: read.library,
        rekordbox: read.rekordbox,
        state: State::of_rows(read.meta, read.state),
        roots: (0..read.roots).map(stand_in).collect(),
        local_lists: read.local_lists,
    };
    engine::tell_problems(&observation, ui);
    let mut learn = |paths: &BTreeSet<MediaPath>, _: &mut Observation| {
        let first = paths.first().map(ToString::to_string).unwrap_or_default();
        let error = CliError::user(format!(
            "this policy needs the SHA-256 of {} files that the reading does not have, such as {first}",
            paths.len()
        ));
        Some(error.hint(
            "take it again with `tidal-cleanup snapshot observed --hashes --out observed.json`",
        ))
    };
    let body = plan_over(policy, &evidence, request, &mut observation, ui, &mut learn)?;
    let meta = engine::meta_of(settings, &observation, &request.inputs);
    Ok(Made {
        plan: canonical::seal(body, meta),
        observation,
    })
}
