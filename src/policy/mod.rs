//! The policy: what `tidal-cleanup.toml` means once it is read and checked.
//!
//! `document` is the file as written, with the place of every value; this module is what the stages
//! work with: no strings left to interpret, every name resolved, every place kept for the reasons that
//! a plan gives.

pub mod condition;
pub mod decisions;
pub mod diagnostic;
pub mod document;
pub mod emoji;
pub mod facts;
pub mod format;
pub mod glob;
pub mod import;
pub mod keys;
mod lint;
pub mod load;
mod reading;
pub mod reference;
pub mod schema;
pub mod survey;
pub mod template;
pub mod values;
pub mod verdict;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

pub use condition::{Condition, Facts};
pub use decisions::{Decisions, DecisionsError};
pub use diagnostic::Diagnostic;
pub use load::{LoadError, Loaded, find};
pub use verdict::{
    Decision, TestResult, Tried, Verdict, explain, protection, run_tests, verdict, verdict_during,
};

use crate::domain::{AudioFormat, Class, ContentHash, LinkForm, PlaylistId, Provenance};

/// A checked policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Which file it came from.
    pub source: PolicySource,
    /// `[state] path`: the state database; absolute. `None`: in the home folder.
    pub state_path: Option<PathBuf>,
    /// `[state] url`: a PostgreSQL database instead; without a password.
    pub state_url: Option<String>,
    /// `[state] require_approval`: how many other people must agree to a destructive plan.
    pub required_approvals: usize,
    pub library: LibraryPolicy,
    pub tidal: TidalPolicy,
    pub download: DownloadPolicy,
    pub rekordbox: RekordboxPolicy,
    pub defaults: Defaults,
    pub safety: Safety,
    pub trash: TrashPolicy,
    pub matching: MatchPolicy,
    pub watch: WatchPolicy,
    pub own: Ownership,
    pub freezes: Vec<Freeze>,
    pub protects: Vec<Protect>,
    pub rules: Vec<Rule>,
    pub playlists: Vec<PlaylistOverride>,
    pub moved: Vec<Moved>,
    pub my_tags: MyTagLanguage,
    pub tests: Vec<PolicyTest>,
    /// The line of every table and key that is written, by its dotted name: `library.format`.
    pub lines: BTreeMap<String, usize>,
}

impl Policy {
    /// Where a setting stands, by its dotted name; its table where only that is written. `None`: it is
    /// at its default.
    #[must_use]
    pub fn place_of(&self, setting: &str) -> Option<Place> {
        let line = *self.lines.get(setting)?;
        let file = self.source.path.file_name()?;
        Some(Place {
            file: file.to_string_lossy().into_owned(),
            line,
        })
    }
}

/// Where a value stands: `tidal-cleanup.toml:61`. Line numbers count from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file's name without its folder.
    pub file: String,
    /// The line; 0 for a built-in default.
    pub line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line == 0 {
            Ok(())
        } else {
            write!(f, "{}:{}", self.file, self.line)
        }
    }
}

/// The policy file.
#[derive(Clone, Debug)]
pub struct PolicySource {
    /// Where it lies.
    pub path: PathBuf,
    /// Of its bytes.
    pub sha256: ContentHash,
}

/// `[library]`
#[derive(Clone, Debug)]
pub struct LibraryPolicy {
    /// Absolute, `~` and variables expanded.
    pub root: PathBuf,
    /// The folder below the root that holds the playlists' folders.
    pub playlists: String,
    /// The template of a file's name, such as `{artist} - {title}{ (version)}`.
    pub file: String,
    /// `None`: keep what is delivered.
    pub format: Option<AudioFormat>,
    /// `V0`, `320k`, `lossless`.
    pub quality: String,
    /// What a track's further playlists get.
    pub sharing: LinkForm,
    /// Extra roots: matched against, never changed.
    pub sources: Vec<Source>,
    /// Whether every scan learns the SHA-256 of new and changed files (`hash = "always"`), and not only
    /// of those where a decision hangs on it.
    pub hash_always: bool,
}

/// One of `[library] sources`.
#[derive(Clone, Debug)]
pub struct Source {
    /// Absolute.
    pub path: PathBuf,
    /// `foreign` unless said otherwise.
    pub provenance: Provenance,
}

/// `[tidal]`
#[derive(Clone, Debug)]
pub struct TidalPolicy {
    /// Which playlists are managed: globs on names, or UUIDs.
    pub playlists: Vec<String>,
    /// Which of them are not.
    pub exclude: Vec<String>,
    /// Whether the favourite tracks count as a playlist.
    pub favorites: bool,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// A saved reading to plan from instead of the service; absolute.
    pub snapshot: Option<PathBuf>,
    /// Which log-in to use.
    pub account: String,
    /// What may be taken out of TIDAL's own playlists.
    pub cleanup: TidalCleanup,
}

/// `[tidal] cleanup`: what is written to TIDAL. Nothing, unless it is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TidalCleanup {
    /// `duplicates`: of several entries of one track in one playlist the first stays.
    pub duplicates: bool,
    /// `unavailable`: entries whose track TIDAL withholds.
    pub unavailable: bool,
    /// Where the key stands.
    pub at: Place,
}

impl TidalCleanup {
    /// Whether anything may be written to TIDAL at all.
    #[must_use]
    pub const fn is_asked_for(&self) -> bool {
        self.duplicates || self.unavailable
    }
}

/// `[download]`
#[derive(Clone, Debug)]
pub struct DownloadPolicy {
    /// The command and its arguments with `{url} {id} {dir} {name}`; `None`: plan downloads as held.
    pub command: Option<Vec<String>>,
    /// How many at once.
    pub parallel: usize,
    /// For one track.
    pub timeout: std::time::Duration,
    /// The program to convert with.
    pub ffmpeg: String,
    /// How long a track is left alone that the command says TIDAL does not have.
    pub retry_unavailable: std::time::Duration,
}

impl DownloadPolicy {
    /// A hash over the command and its arguments, by which two can be told apart.
    #[must_use]
    pub fn fingerprint(&self) -> Option<ContentHash> {
        let words = self.command.as_ref()?.join("\0");
        Some(ContentHash::of(words.as_bytes()))
    }
}

/// `[rekordbox]`
#[derive(Clone, Debug)]
pub struct RekordboxPolicy {
    /// Which database.
    pub database: RekordboxDatabase,
    /// Our playlists live below this folder, its parts from the top; empty for the top itself.
    pub folder: Vec<String>,
    /// `false`: the database is read and never written.
    pub write: bool,
    /// Where to export `rekordbox.xml` to.
    pub xml: Option<PathBuf>,
    /// How many backups of the database are kept.
    pub backups: usize,
    /// Whether rows that carry the DJ's work may be pointed at a file's new place: `false` until the
    /// user has checked once that Rekordbox takes it.
    pub relocate: bool,
    /// What becomes of several rows of one recording.
    pub duplicates: Duplicates,
}

/// `[watch]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchPolicy {
    /// From one plan to the next.
    pub every: std::time::Duration,
    /// So long the library must be quiet after a change.
    pub settle: std::time::Duration,
    /// Whether what only adds is applied without a person.
    pub apply_additive: bool,
    pub notify: Notify,
}

/// `[watch] notify`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notify {
    Desktop,
    None,
    /// A command and its arguments, with `{title}` and `{text}`; not empty.
    Command(Vec<String>),
}

/// `[rekordbox] duplicates`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// Every row stays where it is.
    #[default]
    Keep,
    /// In our playlists the row with the most work stands for all.
    Merge,
    /// In the DJ's own playlists as well.
    MergeAll,
}

/// `[rekordbox] database`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RekordboxDatabase {
    /// Find it where Rekordbox's own settings say.
    Auto,
    /// This one; absolute.
    At(PathBuf),
    /// Leave Rekordbox alone.
    None,
}

/// `[defaults]`: where no rule matches.
#[derive(Clone, Debug)]
pub struct Defaults {
    pub playlist_removed: PlaylistRemoved,
    pub track_removed: TrackRemoved,
    pub mode: SyncMode,
    /// Places of the three above, for reasons.
    pub at: Place,
}

/// What becomes of a playlist that is gone from TIDAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaylistRemoved {
    /// Remembered as gone; Rekordbox playlist and files stay.
    SoftDelete,
    /// Moved to the archive folder in Rekordbox.
    Archive,
    /// Our Rekordbox playlist goes.
    Remove,
}

/// What becomes of a file that no playlist needs any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackRemoved {
    /// It stays.
    KeepFile,
    /// To the trash.
    Trash,
}

/// How far a playlist is managed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// Additions and removals.
    Manage,
    /// Additions only.
    Additive,
    /// Changes are shown and nothing is done.
    Observe,
}

/// A limit by number and by share; the lower one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub count: Option<u32>,
    /// Of what is there, 0–100.
    pub percent: Option<u32>,
    /// A floor under the percentage, so that short playlists can change at all.
    pub min: u32,
}

/// `[safety]`
#[derive(Clone, Debug)]
pub struct Safety {
    pub max_remove: Limit,
    pub max_remove_per_playlist: Limit,
    /// At most so many removals within the window.
    pub rolling: Rolling,
    /// TC102: percent of the last scan.
    pub min_files_seen: u32,
    pub work_at_risk: WorkAtRisk,
    pub plan_max_age: std::time::Duration,
    /// Of the `[safety]` table.
    pub at: Place,
}

/// `[safety] rolling`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rolling {
    pub count: u32,
    pub window: std::time::Duration,
}

/// What happens to removals that would cost the DJ's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkAtRisk {
    /// Held until a person says yes.
    Ask,
    /// Never.
    Deny,
    /// As if there were none.
    Allow,
}

/// `[trash]`
#[derive(Clone, Debug)]
pub struct TrashPolicy {
    pub keep: std::time::Duration,
    pub max_bytes: u64,
}

/// `[match]`
#[derive(Clone, Copy, Debug)]
pub struct MatchPolicy {
    /// 0–100: linked without asking at or above this.
    pub auto: u8,
    /// 0–100: asked at or above this.
    pub ask: u8,
    pub duration_tolerance: std::time::Duration,
    pub veto_version: bool,
    pub veto_duration: bool,
}

/// `[own]`: who is authoritative for a field. Genre and rating are always the DJ's: TIDAL tells neither.
#[derive(Clone, Copy, Debug)]
pub struct Ownership {
    pub title: Owner,
    pub artist: Owner,
    pub album: Owner,
    pub year: Owner,
    /// The display name of our playlists and folders in Rekordbox.
    pub name: Owner,
    /// Which folder they are in there.
    pub folder: Owner,
    /// Whether a MyTag of ours that the DJ took off comes back.
    pub mytags: Owner,
}

/// Whose word counts for a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Tidal,
    Rekordbox,
}

/// `[[freeze]]`: the gig lock.
#[derive(Clone, Debug)]
pub struct Freeze {
    pub name: String,
    /// A recurring window (`Fri 12:00 .. Mon 06:00`), as weekday (1 Monday … 7) and minute of the day.
    pub from: (u8, u16),
    pub to: (u8, u16),
    /// An IANA name; `None`: the machine's.
    pub timezone: Option<String>,
    /// Classes that are allowed inside the window.
    pub allow: Vec<Class>,
    pub at: Place,
}

/// `[[protect]]`: deny wins over everything.
#[derive(Clone, Debug)]
pub struct Protect {
    pub name: String,
    pub when: Condition,
    pub deny: Vec<Denied>,
    pub at: Place,
}

/// What a protection denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// `file.trash`.
    Trash,
    /// Leaving a playlist.
    Remove,
    /// Moving or renaming.
    Move,
    /// Changing fields and tags.
    Change,
}

/// `[[rule]]`: the first that matches decides.
#[derive(Clone, Debug)]
pub struct Rule {
    pub name: String,
    pub when: Condition,
    pub then: Outcome,
    pub at: Place,
}

/// What a rule decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Leave it as it is.
    Keep,
    /// The file goes to the trash.
    Trash,
    /// Of several files of one track the best stays.
    Dedupe,
    /// The playlist goes to this Rekordbox folder (a template).
    Archive(String),
    /// Fetch a better file.
    Upgrade,
}

/// `[playlist."NAME"]`
#[derive(Clone, Debug)]
pub struct PlaylistOverride {
    /// A name or UUID.
    pub which: String,
    pub mode: Option<SyncMode>,
    pub order: Option<Order>,
    pub max_remove: Option<Limit>,
    pub at: Place,
}

/// Who orders a playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Tidal,
    Rekordbox,
}

/// `[[moved]]`: a playlist that got a new UUID.
#[derive(Clone, Debug)]
pub struct Moved {
    pub from: PlaylistId,
    pub to: PlaylistId,
    /// Where the policy says so.
    pub at: Place,
}

/// `[mytag.*]` and `[mytags]`: the emoji language.
#[derive(Clone, Debug, Default)]
pub struct MyTagLanguage {
    /// (emoji without variation selectors, group, tag), groups and tags in the order of the file.
    pub emoji: Vec<(String, String, String)>,
    /// (group, tag) where a playlist names none of the group.
    pub default: Vec<(String, String)>,
    /// (group, tag) for managed tracks that end with no tag of the group.
    pub none: Vec<(String, String)>,
    /// Template of the Rekordbox folder below `[rekordbox] folder`; empty: no folder.
    pub folders: String,
    /// Template of the display name.
    pub name: String,
    pub events: Option<EventLanguage>,
    pub smart: Vec<SmartTemplate>,
    /// (category, tags of the group `Genre` that belong to it).
    pub categories: Vec<(String, Vec<String>)>,
}

/// `[mytags] events`
#[derive(Clone, Debug)]
pub struct EventLanguage {
    /// The group whose emoji mark an event.
    pub group: String,
    /// Template of the folder.
    pub folder: String,
    /// Template of the one tag of an event.
    pub tag: String,
    /// Whether an event gets a smart playlist over its tag instead of a list.
    pub smart_playlist: bool,
}

/// One of `[mytags] smart`.
#[derive(Clone, Debug)]
pub struct SmartTemplate {
    /// Template of the folder.
    pub folder: String,
    /// One smart playlist per combination of tags of these groups.
    pub by: Vec<String>,
}

/// `[[test]]`
#[derive(Clone, Debug)]
pub struct PolicyTest {
    pub name: String,
    pub given: Facts,
    pub expect: String,
    pub at: Place,
}

impl MyTagLanguage {
    /// The fields of the language's templates: `name`, `raw`, `year`, every group, and `.category` of
    /// every group.
    #[must_use]
    pub fn fields(&self) -> Vec<String> {
        let groups: BTreeSet<&str> = self
            .emoji
            .iter()
            .map(|(_, group, _)| group)
            .chain(self.default.iter().map(|(group, _)| group))
            .chain(self.none.iter().map(|(group, _)| group))
            .map(String::as_str)
            .collect();
        let categories = groups.iter().map(|group| format!("{group}.category"));
        let plain = ["name", "raw", "year"].map(str::to_owned);
        let own = groups.iter().map(|&group| group.to_owned());
        plain.into_iter().chain(own).chain(categories).collect()
    }
}

#[cfg(test)]
mod tests;
