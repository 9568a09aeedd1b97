//! `db inspect`: everything about one playlist.

use std::fmt;

use serde::Serialize;

use crate::{
    domain::{PlaylistId, State, TidalReading},
    edge::store::RecentChange,
};

use super::super::{
    Look,
    rows::{Row, Symbol},
    status::facts_lines,
    text::{fit, number, visible},
};

/// How many recent changes are shown.
pub const RECENT: usize = 10;

/// Everything about one playlist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspect {
    pub name: String,
    pub tidal_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    pub created_at: jiff::Timestamp,
    pub last_synced_at: Option<jiff::Timestamp>,
    pub gone_since: Option<jiff::Timestamp>,
    pub tracks: Tracks,
    /// Tracks that should have a file and have none.
    pub missing: Vec<String>,
    /// Newest first.
    pub recent: Vec<Recent>,
}

/// Where the tracks of a playlist are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tracks {
    pub in_tidal: usize,
    pub downloaded: usize,
    pub in_rekordbox: usize,
    pub missing: usize,
}

/// A track that came or left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recent {
    pub at: jiff::Timestamp,
    pub symbol: char,
    pub label: String,
}

impl From<&RecentChange> for Recent {
    fn from(change: &RecentChange) -> Self {
        let symbol = match change.added {
            true => Symbol::Add,
            false => Symbol::Leave,
        };
        Self {
            at: change.at,
            symbol: symbol.character(),
            label: change.label.clone(),
        }
    }
}

impl Inspect {
    /// From what is remembered, the last reading of TIDAL (for its count) and what came or left,
    /// newest first.
    /// `None` when the state does not know the playlist.
    #[must_use]
    pub fn of(
        id: &PlaylistId,
        state: &State,
        reading: Option<&TidalReading>,
        changes: &[RecentChange],
    ) -> Option<Self> {
        let row = state.playlists.get(id)?;
        let listed = reading.and_then(|reading| reading.playlist(id));
        let in_state = row.entries.iter().filter(|entry| entry.in_tidal);
        let in_tidal = listed.map_or(in_state.clone().count(), |list| list.tracks().count());
        let missing = in_state.filter(|entry| !entry.in_local);
        let label = |track| {
            state
                .tracks
                .get(track)
                .map_or_else(|| format!("TIDAL track {track}"), |row| row.track.label())
        };
        let missing: Vec<String> = missing.map(|entry| label(&entry.track)).collect();
        let downloaded = row
            .entries
            .iter()
            .filter(|entry| entry.in_tidal && entry.in_local)
            .count();
        Some(Self {
            name: row.name.clone(),
            tidal_id: id.to_string(),
            folder: row.folder.as_ref().map(ToString::to_string),
            created_at: row.created_at,
            last_synced_at: row.last_synced_at,
            gone_since: row.deleted_at,
            tracks: Tracks {
                in_tidal,
                downloaded,
                in_rekordbox: row
                    .entries
                    .iter()
                    .filter(|entry| entry.in_rekordbox)
                    .count(),
                missing: in_tidal.saturating_sub(downloaded),
            },
            missing,
            recent: changes.iter().map(Recent::from).collect(),
        })
    }

    /// As a screen.
    #[must_use]
    pub const fn view<'a>(&'a self, look: &'a Look) -> InspectView<'a> {
        InspectView {
            inspect: self,
            look,
        }
    }
}

/// The screen.
pub struct InspectView<'a> {
    inspect: &'a Inspect,
    look: &'a Look,
}

impl fmt::Display for InspectView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (playlist, look) = (self.inspect, self.look);
        let title = format!("Playlist: {}", visible(&playlist.name));
        let title = fit(&title, look.width.unwrap_or(usize::MAX));
        writeln!(f, "{}", look.bold(&title))?;
        let tracks = playlist.tracks;
        let mut parts = vec![
            format!("{} in TIDAL", number(tracks.in_tidal as u64)),
            format!("{} downloaded", number(tracks.downloaded as u64)),
            format!("{} in Rekordbox", number(tracks.in_rekordbox as u64)),
        ];
        if tracks.missing > 0 {
            parts.push(format!("{} missing", number(tracks.missing as u64)));
        }
        let mut facts = vec![
            ("  TIDAL id", playlist.tidal_id.clone()),
            ("  Created", look.day(playlist.created_at)),
            (
                "  Last synced",
                playlist
                    .last_synced_at
                    .map_or_else(|| "never".to_owned(), |at| look.time(at)),
            ),
            ("  Tracks", parts.join(" · ")),
        ];
        if let Some(folder) = &playlist.folder {
            facts.insert(1, ("  Folder", visible(folder).into_owned()));
        }
        if let Some(gone) = playlist.gone_since {
            facts.push(("  Gone", format!("from TIDAL since {}", look.day(gone))));
        }
        facts_lines(&facts, look, f)?;
        if !playlist.missing.is_empty() {
            writeln!(f, "{}", look.bold("Missing"))?;
            let rows: Vec<Row> = playlist
                .missing
                .iter()
                .map(|label| Row::new(Symbol::Add, label, ""))
                .collect();
            write!(f, "{}", super::super::rows::Rows { rows: &rows, look })?;
        }
        if !playlist.recent.is_empty() {
            writeln!(f, "{}", look.bold("Recent changes"))?;
        }
        for Recent { at, symbol, label } in &playlist.recent {
            let sign = match (look.plain, symbol) {
                (false, symbol) => symbol.to_string(),
                (true, '+') => "added:".to_owned(),
                (true, _) => "left:".to_owned(),
            };
            let line = format!("  {}  {sign} {}", look.day(*at), visible(label));
            writeln!(f, "{}", fit(&line, look.width.unwrap_or(usize::MAX)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::view::{apply::tests::at, sample::remembered},
        domain::TrackId,
    };

    #[test]
    fn everything_about_one_playlist() {
        let change = |added, track: &str, label: &str, time| RecentChange {
            at: at(time),
            added,
            track: TrackId::new(track),
            label: label.to_owned(),
        };
        let came = change(true, "1", "Artist – Here", "2026-11-20T14:30:00Z");
        let left = change(false, "2", "Artist – Gone", "2026-11-18T14:30:00Z");
        let id = PlaylistId::new("list-house");
        let inspect = Inspect::of(&id, &remembered(), None, &[came, left]).unwrap();
        insta::assert_snapshot!(inspect.view(&Look::plain()), @"
        Playlist: House Italo R 🇮🇹
          TIDAL id     list-house
          Folder       Playlists/House Italo R 🇮🇹
          Created      2024-01-15
          Last synced  2026-11-20 14:30
          Tracks       2 in TIDAL · 1 downloaded · 1 in Rekordbox · 1 missing
        Missing
          + Artist – Lost
        Recent changes
          2026-11-20  + Artist – Here
          2026-11-18  - Artist – Gone
        ");
    }

    #[test]
    fn an_unknown_playlist_is_none() {
        assert_eq!(
            Inspect::of(&PlaylistId::new("no"), &State::default(), None, &[]),
            None
        );
    }
}
