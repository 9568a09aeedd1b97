//! The numbers of `report`: what became of the playlists, the library and the disk over time. Values in,
//! values out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;

use crate::{
    domain::{AudioFile, AudioFormat, Collection, PlaylistId, TrackId, state::TrackRow},
    edge::store::{ApplyRow, RecentChange},
    observe::Observation,
    plan::shelf::Shelf,
};

/// How many months the history goes back, this one included.
pub const MONTHS: usize = 12;
/// A playlist's churn is told over so many days.
pub const RECENT_DAYS: i64 = 90;

/// What a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub observation: &'a Observation,
    /// What came to and left each playlist, newest first.
    pub changes: &'a BTreeMap<PlaylistId, Vec<RecentChange>>,
    pub shelf: &'a Shelf,
    /// All runs.
    pub applies: &'a [ApplyRow],
    /// Files and bytes in the trash.
    pub trash: (usize, u64),
    /// Bytes that may still be written to the library's volume.
    pub free: Option<u64>,
    /// The day of the report.
    pub today: Date,
    /// In which days and months are counted.
    pub zone: &'a TimeZone,
}

/// The whole report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The day that it is of.
    pub as_of: Date,
    /// The oldest first, [`MONTHS`] of them.
    pub months: Vec<Month>,
    /// The longest first.
    pub playlists: Vec<PlaylistRow>,
    /// Files by format, the most first.
    pub formats: Vec<Share>,
    /// Files by quality, the best first.
    pub qualities: Vec<Share>,
    pub disk: Disk,
    /// Tracks of managed playlists with a row in Rekordbox that was never played, by artist and title;
    /// `None` without Rekordbox.
    pub never_played: Option<Vec<Unplayed>>,
    /// Tracks that TIDAL lists and no longer streams.
    pub unavailable: Vec<Unavailable>,
    /// Groups of files that are the same, and the bytes that all but the best of each take.
    pub duplicates: Duplicates,
    /// Runs by mode.
    pub applies: BTreeMap<String, usize>,
}

/// What came and went in a month, over all playlists, and what they then held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Month {
    /// `2026-11`
    pub month: String,
    pub added: usize,
    pub removed: usize,
    /// Entries at the month's end, counted back from today's.
    pub entries: usize,
}

/// A playlist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlaylistRow {
    pub id: PlaylistId,
    pub name: String,
    pub tracks: usize,
    /// Of those: with a file.
    pub local: usize,
    /// Of those: in the Rekordbox playlist.
    pub rekordbox: usize,
    /// In the last [`RECENT_DAYS`].
    pub added: usize,
    /// In the last [`RECENT_DAYS`].
    pub removed: usize,
}

/// A part of the library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Share {
    pub label: String,
    pub files: usize,
    pub bytes: u64,
}

/// Where the bytes are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// All audio below the library's root; hard links count once.
    pub files: usize,
    pub bytes: u64,
    /// Of those: fetched or adopted by us.
    pub ours: u64,
    pub trash_files: usize,
    pub trash_bytes: u64,
    pub free: Option<u64>,
}

/// A track that nobody has played.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unplayed {
    pub label: String,
    pub track: TrackId,
}

/// A track that cannot be fetched any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unavailable {
    /// Without a file it is lost, unless it is bought elsewhere.
    pub has_file: bool,
    pub label: String,
    pub track: TrackId,
    /// The playlists that have it.
    pub playlists: Vec<String>,
}

/// Files that are there more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Duplicates {
    pub groups: usize,
    pub spare_bytes: u64,
}

/// Makes the report.
#[must_use]
pub fn report(source: &Source<'_>) -> Report {
    let files: Vec<&AudioFile> = distinct(source.observation);
    let modes = source.applies.iter().map(|apply| apply.mode.clone());
    Report {
        as_of: source.today,
        months: months(source),
        playlists: playlists(source),
        formats: shares(&files, |file| file.format.extension().to_owned()),
        qualities: qualities(&files),
        disk: disk(source, &files),
        never_played: source
            .observation
            .rekordbox
            .as_ref()
            .map(|read| never_played(source, &read.value)),
        unavailable: unavailable(source.observation),
        duplicates: duplicates(source.shelf),
        applies: modes.fold(BTreeMap::new(), |mut counts, mode| {
            *counts.entry(mode).or_default() += 1;
            counts
        }),
    }
}

/// The files of the library, one for each inode.
fn distinct(observation: &Observation) -> Vec<&AudioFile> {
    let mut inodes = BTreeSet::new();
    let files = &observation.library.value.files;
    files
        .iter()
        .filter(|file| file.path.is_in_library())
        .filter(|file| file.stat.inode == 0 || inodes.insert((file.stat.device, file.stat.inode)))
        .collect()
}

fn months(source: &Source<'_>) -> Vec<Month> {
    let month_of = |at: Timestamp| {
        let date = at.to_zoned(source.zone.clone()).date();
        (date.year(), date.month())
    };
    let mut counted: BTreeMap<(i16, i8), (usize, usize)> = BTreeMap::new();
    for change in source.changes.values().flatten() {
        let (added, removed) = counted.entry(month_of(change.at)).or_default();
        match change.added {
            true => *added += 1,
            false => *removed += 1,
        }
    }
    let first = source.today.first_of_month();
    let mut entries = live(source).map(|row| row.entries.len()).sum();
    let mut months = Vec::new();
    for back in 0..MONTHS {
        let span = Span::new().months(i64::try_from(back).unwrap_or_default());
        let Ok(day) = first.checked_sub(span) else {
            break;
        };
        let key = (day.year(), day.month());
        let (added, removed) = counted.get(&key).copied().unwrap_or_default();
        months.push(Month {
            month: day.strftime("%Y-%m").to_string(),
            added,
            removed,
            entries,
        });
        entries = (entries + removed).saturating_sub(added);
    }
    months.reverse();
    months
}

fn live<'a>(
    source: &Source<'a>,
) -> impl Iterator<Item = &'a crate::domain::state::PlaylistRow> + use<'a> {
    let lists = source.observation.state.playlists.values();
    lists.filter(|row| row.deleted_at.is_none())
}

fn playlists(source: &Source<'_>) -> Vec<PlaylistRow> {
    let since = source
        .today
        .checked_sub(Span::new().days(RECENT_DAYS))
        .unwrap_or(source.today);
    let is_recent =
        |change: &&RecentChange| change.at.to_zoned(source.zone.clone()).date() >= since;
    let mut rows: Vec<PlaylistRow> = live(source)
        .map(|list| {
            let changes = source.changes.get(&list.id).map_or(&[][..], Vec::as_slice);
            let recent = |added| {
                let same = changes.iter().filter(is_recent);
                same.filter(|change| change.added == added).count()
            };
            let having = |is: fn(&crate::domain::state::EntryRow) -> bool| {
                list.entries.iter().filter(|entry| is(entry)).count()
            };
            PlaylistRow {
                id: list.id.clone(),
                name: list.name.clone(),
                tracks: list.entries.len(),
                local: having(|entry| entry.in_local),
                rekordbox: having(|entry| entry.in_rekordbox),
                added: recent(true),
                removed: recent(false),
            }
        })
        .collect();
    rows.sort_by(|a, b| (b.tracks, &a.name, &a.id).cmp(&(a.tracks, &b.name, &b.id)));
    rows
}

fn shares(files: &[&AudioFile], label: impl Fn(&AudioFile) -> String) -> Vec<Share> {
    let mut counted: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    for file in files {
        let (number, bytes) = counted.entry(label(file)).or_default();
        *number += 1;
        *bytes += file.stat.size;
    }
    let mut shares: Vec<Share> = counted
        .into_iter()
        .map(|(label, (files, bytes))| Share {
            label,
            files,
            bytes,
        })
        .collect();
    shares.sort_by(|a, b| (b.files, &a.label).cmp(&(a.files, &b.label)));
    shares
}

/// The steps that a DJ thinks in, the best first.
const QUALITIES: [&str; 6] = [
    "lossless",
    "320 kbps and more",
    "256 to 319 kbps",
    "192 to 255 kbps",
    "below 192 kbps",
    "unknown",
];

fn qualities(files: &[&AudioFile]) -> Vec<Share> {
    let step = |file: &AudioFile| match (is_lossless(file.format), file.bitrate_kbps) {
        (true, _) => 0,
        // Encoders of a constant 320 report 319 or 320.
        (false, Some(318..)) => 1,
        (false, Some(256..)) => 2,
        (false, Some(192..)) => 3,
        (false, Some(_)) => 4,
        (false, None) => 5,
    };
    let shares = shares(files, |file| QUALITIES[step(file)].to_owned());
    let place = |share: &Share| QUALITIES.iter().position(|it| *it == share.label);
    let mut ordered = shares;
    ordered.sort_by_key(place);
    ordered
}

const fn is_lossless(format: AudioFormat) -> bool {
    format.is_lossless()
}

fn disk(source: &Source<'_>, files: &[&AudioFile]) -> Disk {
    let rows = &source.observation.state.files;
    let is_ours = |file: &&&AudioFile| {
        let row = rows.get(&file.path);
        row.is_some_and(|row| row.provenance.is_ours())
    };
    Disk {
        files: files.len(),
        bytes: files.iter().map(|file| file.stat.size).sum(),
        ours: files
            .iter()
            .filter(is_ours)
            .map(|file| file.stat.size)
            .sum(),
        trash_files: source.trash.0,
        trash_bytes: source.trash.1,
        free: source.free,
    }
}

fn never_played(source: &Source<'_>, collection: &Collection) -> Vec<Unplayed> {
    let entries = live(source).flat_map(|list| &list.entries);
    let managed: BTreeSet<&TrackId> = entries.map(|entry| &entry.track).collect();
    let is_unplayed = |row: &&TrackRow| {
        let content = row.content.as_ref();
        content
            .and_then(|id| collection.contents.get(id))
            .is_some_and(|content| content.play_count == 0)
    };
    let rows = &source.observation.state.tracks;
    let mut tracks: Vec<Unplayed> = managed
        .into_iter()
        .filter_map(|track| rows.get(track))
        .filter(is_unplayed)
        .map(|row| Unplayed {
            label: row.track.label(),
            track: row.track.id.clone(),
        })
        .collect();
    tracks.sort();
    tracks
}

fn unavailable(observation: &Observation) -> Vec<Unavailable> {
    let mut found: BTreeMap<&TrackId, BTreeSet<&str>> = BTreeMap::new();
    for list in &observation.tidal.value.playlists {
        for entry in &list.items {
            let withheld = match &entry.track {
                None => entry.kind == crate::domain::ItemKind::Track,
                Some(track) => track.streamable == Some(false),
            };
            if withheld {
                found.entry(&entry.id).or_default().insert(&list.name);
            }
        }
    }
    let mut tracks: Vec<Unavailable> = found
        .into_iter()
        .map(|(id, lists)| {
            let row = observation.state.tracks.get(id);
            Unavailable {
                has_file: row.is_some_and(|row| row.file.is_some()),
                label: row.map_or_else(|| format!("TIDAL {id}"), |row| row.track.label()),
                track: id.clone(),
                playlists: lists.into_iter().map(str::to_owned).collect(),
            }
        })
        .collect();
    tracks.sort();
    tracks
}

fn duplicates(shelf: &Shelf) -> Duplicates {
    let spare = |group: &crate::plan::shelf::Group| {
        let others = group.files.iter().skip(1);
        others.map(|file| file.bytes).sum::<u64>()
    };
    Duplicates {
        groups: shelf.duplicates.len(),
        spare_bytes: shelf.duplicates.iter().map(spare).sum(),
    }
}
