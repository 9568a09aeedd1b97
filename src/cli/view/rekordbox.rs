//! `rekordbox status` and `rekordbox restore`, as a person reads them.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    Look,
    text::{bytes, count, number, visible, width, wrap},
};
use crate::{
    cli::engine::FoundBy,
    domain::{Collection, MyTagId, NodeId, NodeKind, RekordboxSchema, State, state::ObjectKey},
    edge::rekordbox::{Backup, LibraryFacts, Loss},
};

/// Everything about a library.
#[derive(Clone, Debug, Serialize)]
pub struct RekordboxStatus {
    /// `master.db`.
    pub path: PathBuf,
    pub found_by: FoundBy,
    pub schema: SchemaName,
    /// The application's, as `masterPlaylists6.xml` names it.
    pub app_version: Option<String>,
    pub counts: Counts,
    /// `None`: there is no state database.
    pub ours: Option<OurShare>,
    pub cloud_sync: bool,
    pub facts: LibraryFacts,
    /// `[rekordbox] write`; `None` without a policy.
    pub writes: Option<bool>,
    pub running: Running,
    /// Left behind by a crash.
    pub leftover_wal: Option<PathBuf>,
    pub backup_folder: PathBuf,
    pub backups: Vec<Backup>,
    pub problems: Vec<String>,
}

/// `rekordbox6` or `rekordbox7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SchemaName {
    Rekordbox6,
    Rekordbox7,
}

impl From<RekordboxSchema> for SchemaName {
    fn from(schema: RekordboxSchema) -> Self {
        match schema {
            RekordboxSchema::V6 => Self::Rekordbox6,
            RekordboxSchema::V7 => Self::Rekordbox7,
        }
    }
}

/// What it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub tracks: usize,
    pub playlists: usize,
    pub folders: usize,
    pub smart_playlists: usize,
    pub entries: usize,
    pub my_tags: usize,
    pub tag_links: usize,
    pub hot_cues: u64,
    pub memory_cues: u64,
    pub tracks_with_cues: usize,
    pub rated: usize,
    pub played: usize,
}

impl Counts {
    /// Counts a collection.
    #[must_use]
    pub fn of(collection: &Collection) -> Self {
        let mut counts = Self {
            tracks: collection.contents.len(),
            my_tags: collection
                .my_tags
                .values()
                .filter(|tag| tag.group.is_some())
                .count(),
            ..Self::default()
        };
        for content in collection.contents.values() {
            counts.hot_cues += u64::from(content.hot_cues);
            counts.memory_cues += u64::from(content.memory_cues);
            counts.tracks_with_cues += usize::from(content.hot_cues + content.memory_cues > 0);
            counts.rated += usize::from(content.rating > 0);
            counts.played += usize::from(content.play_count > 0);
            counts.tag_links += content.my_tags.len();
        }
        for node in collection.nodes.values() {
            match node.kind {
                NodeKind::List => counts.playlists += 1,
                NodeKind::Folder => counts.folders += 1,
                NodeKind::Smart => counts.smart_playlists += 1,
                NodeKind::Special => {}
            }
            counts.entries += node.entries.len();
        }
        counts
    }
}

/// What of it we made or adopted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OurShare {
    /// Rows of tracks that we made or adopted.
    pub tracks: usize,
    /// Rows that stand for a track of TIDAL, the DJ's own ones too.
    pub linked_tracks: usize,
    pub playlists: usize,
    pub folders: usize,
    pub smart_playlists: usize,
    pub my_tags: usize,
    pub tag_links: usize,
    /// Things of ours that Rekordbox does not have any more.
    pub missing: usize,
}

impl OurShare {
    /// Looks for what the state knows as ours.
    #[must_use]
    pub fn of(state: &State, collection: &Collection) -> Self {
        let mut share = Self::default();
        let linked: BTreeSet<_> = state
            .tracks
            .values()
            .filter_map(|row| row.content.as_ref())
            .filter(|id| collection.contents.contains_key(id))
            .collect();
        share.linked_tracks = linked.len();
        for row in state
            .objects
            .values()
            .filter(|row| row.provenance.is_ours())
        {
            let node = || collection.nodes.contains_key(&NodeId::new(row.id.clone()));
            let (slot, there) = match &row.key {
                ObjectKey::Folder(_) => (&mut share.folders, node()),
                ObjectKey::Playlist(_) => (&mut share.playlists, node()),
                ObjectKey::Smart(_) => (&mut share.smart_playlists, node()),
                ObjectKey::Tag(..) => {
                    let id = MyTagId::new(row.id.clone());
                    (&mut share.my_tags, collection.my_tags.contains_key(&id))
                }
                ObjectKey::TagLink(group, tag, content) => {
                    let tag = collection.tag(group, tag);
                    let content = collection.contents.get(content);
                    let there = tag
                        .zip(content)
                        .is_some_and(|(tag, c)| c.my_tags.contains(&tag.id));
                    (&mut share.tag_links, there)
                }
                ObjectKey::Content(id) => (&mut share.tracks, collection.contents.contains_key(id)),
            };
            match there {
                true => *slot += 1,
                false => share.missing += 1,
            }
        }
        share
    }
}

/// Which processes of Rekordbox's run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Running {
    pub names: Vec<String>,
    /// Why that cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

impl Running {
    /// Whether it is known that nothing runs.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.names.is_empty() && self.unknown.is_none()
    }
}

impl RekordboxStatus {
    /// As a person reads it.
    #[must_use]
    pub fn view<'a>(&'a self, look: &'a Look) -> impl fmt::Display + 'a {
        View(self, look)
    }
}

struct View<'a>(&'a RekordboxStatus, &'a Look);

impl fmt::Display for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(status, look) = self;
        let of = |n: usize, one: &str, many: &str| count(n, one, many);
        let counts = &status.counts;
        let row = |f: &mut fmt::Formatter<'_>, name: &str, text: &str| row(f, look, name, text);
        let version = match status.schema {
            SchemaName::Rekordbox6 => "6",
            SchemaName::Rekordbox7 => "7",
        };
        let app = status
            .app_version
            .as_deref()
            .map_or(String::new(), |v| format!(" ({})", visible(v)));
        let found = match status.found_by {
            FoundBy::Flag => "named by --rekordbox",
            FoundBy::Policy => "named by the policy",
            FoundBy::Settings => "as Rekordbox's settings say",
            FoundBy::Options => "as Rekordbox's agent says",
            FoundBy::Default => "in the default place",
        };
        row(f, "Rekordbox", &format!("{version}{app}"))?;
        let path = status.path.display().to_string();
        writeln!(
            f,
            "{}  {} {}",
            look.bold("Library   "),
            visible(&path),
            look.dim(&format!("({found})"))
        )?;
        row(
            f,
            "Tracks",
            &format!(
                "{}; {} with cues ({} hot, {} memory), {} rated, {} played",
                number(counts.tracks as u64),
                number(counts.tracks_with_cues as u64),
                number(counts.hot_cues),
                number(counts.memory_cues),
                number(counts.rated as u64),
                number(counts.played as u64),
            ),
        )?;
        row(
            f,
            "Playlists",
            &format!(
                "{} with {}, {}, {}",
                number(counts.playlists as u64),
                of(counts.entries, "entry", "entries"),
                of(counts.folders, "folder", "folders"),
                of(counts.smart_playlists, "smart playlist", "smart playlists"),
            ),
        )?;
        row(
            f,
            "MyTags",
            &format!(
                "{} on {}",
                number(counts.my_tags as u64),
                of(counts.tag_links, "place", "places"),
            ),
        )?;
        match &status.ours {
            None => row(f, "Ours", "nothing: there is no state database yet")?,
            Some(ours) => row(f, "Ours", &ours_line(ours))?,
        }
        let sync = &status.facts.sync;
        let cloud = match status.cloud_sync {
            false => "no Cloud Library Sync".to_owned(),
            true => format!(
                "Cloud Library Sync: {} rows synchronised, {} changed since, {} local",
                number(sync.synced),
                number(sync.changed),
                number(sync.local),
            ),
        };
        let deleted = match sync.deleted {
            0 => String::new(),
            rows => format!("; {} deleted rows still kept", number(rows)),
        };
        row(f, "Cloud", &format!("{cloud}{deleted}"))?;
        if let Some(at) = &status.facts.last_change {
            row(f, "Changed", &local_time(at, look))?;
        }
        let running = match (&status.running.unknown, status.running.names.as_slice()) {
            (Some(why), _) => format!("cannot be told: {}", visible(why)),
            (None, []) => "no".to_owned(),
            (None, names) => visible(&names.join(", ")).into_owned(),
        };
        row(f, "Running", &running)?;
        row(f, "Writing", &self.writing())?;
        self.backups(f)?;
        for problem in status
            .problems
            .iter()
            .take(if look.verbose { usize::MAX } else { 5 })
        {
            writeln!(f, "! {}", visible(problem))?;
        }
        Ok(())
    }
}

impl View<'_> {
    fn writing(&self) -> String {
        let status = self.0;
        if let Some(what) = &status.facts.read_only {
            return format!("no: its layout is not known ({})", visible(what));
        }
        if let Some(wal) = &status.leftover_wal {
            return format!(
                "not before Rekordbox was started and quit once: it left {} behind",
                wal.file_name()
                    .map(|name| name.to_string_lossy())
                    .unwrap_or_default()
            );
        }
        if !status.running.is_nobody() {
            return "not while Rekordbox runs".to_owned();
        }
        match status.writes {
            Some(false) => "no: the policy says `[rekordbox] write = false`".to_owned(),
            Some(true) => "yes".to_owned(),
            None => "possible; there is no policy that asks for it".to_owned(),
        }
    }

    fn backups(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(status, look) = self;
        let name = look.bold("Backups   ");
        let shown = if look.verbose { usize::MAX } else { 5 };
        let folder = status.backup_folder.display().to_string();
        match status.backups.len() {
            0 => {
                return writeln!(
                    f,
                    "{name}  none yet; `tidal-cleanup rekordbox backup` makes one"
                );
            }
            many => writeln!(f, "{name}  {many} in {}", visible(&folder))?,
        }
        for backup in status.backups.iter().take(shown) {
            let about = format!("({}, {})", look.time(backup.at), bytes(backup.bytes));
            let name = visible(&backup.name);
            write!(f, "            {name}  {}", look.dim(&about))?;
            match backup.has_xml {
                true => writeln!(f)?,
                false => writeln!(f, "  without masterPlaylists6.xml")?,
            }
        }
        Ok(())
    }
}

/// A name and a text, which is broken where the terminal ends.
fn row(f: &mut fmt::Formatter<'_>, look: &Look, name: &str, text: &str) -> fmt::Result {
    const INDENT: usize = 12;
    let columns = look.width.map(|columns| columns.saturating_sub(INDENT));
    let lines = match columns {
        Some(columns) if columns > INDENT && width(text) > columns => wrap(text, columns),
        Some(_) | None => vec![text.to_owned()],
    };
    let mut name = look.bold(&format!("{name:<10}"));
    for line in lines {
        writeln!(f, "{name}  {line}")?;
        name = " ".repeat(INDENT - 2);
    }
    Ok(())
}

/// A time as Rekordbox writes it (UTC), as a person's clock showed it then.
fn local_time(text: &str, look: &Look) -> String {
    match jiff::Timestamp::strptime("%Y-%m-%d %H:%M:%S%.f %:z", text) {
        Ok(at) => look.time(at),
        Err(_) => visible(text).into_owned(),
    }
}

fn ours_line(ours: &OurShare) -> String {
    let mut line = format!(
        "{}, {}, {}, {}; {} made or adopted, {} linked",
        count(ours.playlists, "playlist", "playlists"),
        count(ours.folders, "folder", "folders"),
        count(ours.smart_playlists, "smart playlist", "smart playlists"),
        count(ours.my_tags, "MyTag", "MyTags"),
        count(ours.tracks, "track", "tracks"),
        number(ours.linked_tracks as u64),
    );
    if ours.missing > 0 {
        line.push_str(&format!(
            "; {} not there any more",
            number(ours.missing as u64)
        ));
    }
    line
}

/// What a restore would lose, and where what was there is saved.
#[derive(Clone, Debug, Serialize)]
pub struct Restore {
    pub backup: Backup,
    /// `None`: the present library cannot be read, so nobody can tell.
    pub loss: Option<Loss>,
    /// Once it is done: where the state before it lies.
    pub saved: Option<PathBuf>,
}

impl Restore {
    /// As a person reads it.
    #[must_use]
    pub fn view<'a>(&'a self, look: &'a Look) -> impl fmt::Display + 'a {
        RestoreView(self, look)
    }
}

struct RestoreView<'a>(&'a Restore, &'a Look);

impl fmt::Display for RestoreView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(restore, look) = self;
        let backup = &restore.backup;
        writeln!(
            f,
            "{} of {} ({})",
            look.bold("Backup"),
            look.time(backup.at),
            bytes(backup.bytes)
        )?;
        let Some(loss) = &restore.loss else {
            return write!(
                f,
                "Rekordbox's present library cannot be read, so nobody can tell what would be lost."
            );
        };
        if loss.is_empty() {
            return write!(f, "Nothing would be lost: Rekordbox has not changed since.");
        }
        let shown = if look.verbose { usize::MAX } else { 5 };
        let lists = [
            ("Lost", "tracks", &loss.tracks),
            ("Lost", "playlists and folders", &loss.playlists),
            ("Lost", "MyTags", &loss.tags),
            ("As before", "playlists", &loss.playlists_changed),
            ("As before", "edited tracks", &loss.tracks_edited),
            ("As before", "MyTags of tracks", &loss.tagged),
            ("As before", "ratings", &loss.rated),
            ("As before", "play counts", &loss.played),
            ("Back", "tracks", &loss.tracks_back),
            ("Back", "playlists and folders", &loss.playlists_back),
        ];
        let cues: Vec<String> = loss
            .cues
            .iter()
            .map(|(track, more)| format!("{track} ({more})"))
            .collect();
        let cue_list = [("Lost", "cues of tracks", &cues)];
        for (what, of, list) in cue_list.iter().chain(&lists) {
            if list.is_empty() {
                continue;
            }
            writeln!(
                f,
                "{} {} {of}",
                look.bold(&format!("{what}:")),
                number(list.len() as u64)
            )?;
            for name in list.iter().take(shown) {
                writeln!(f, "  {}", visible(name))?;
            }
            if list.len() > shown {
                writeln!(
                    f,
                    "  … and {} more (-v shows all)",
                    number((list.len() - shown) as u64)
                )?;
            }
        }
        for (table, rows) in &loss.rows {
            writeln!(
                f,
                "{} {} in {table}",
                look.bold("Rows:"),
                number(*rows as u64)
            )?;
        }
        write!(f, "The present state is saved first.")
    }
}

/// What an export wrote.
#[derive(Clone, Debug, Serialize)]
pub struct Exported<'a> {
    pub file: &'a Path,
    pub tracks: usize,
    pub playlists: usize,
    pub entries: usize,
    /// Playlist files, where they were asked for.
    pub m3u8: Vec<PathBuf>,
    /// Tracks of our playlists that have no file yet, and stand in no list.
    pub without_file: usize,
}
