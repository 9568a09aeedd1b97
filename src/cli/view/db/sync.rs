//! `db sync`: which playlists have changes, and what to do about them.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::{
    domain::{PlaylistId, State, text::fold_name},
    plan::document::{Body, ChangeKind, Plan},
};

use super::{
    super::{
        Look,
        plan::{is_empty, short_digest},
        rows::{Symbol, paragraph},
        status::{Recommendation, recommendations},
        text::{count, number, visible},
    },
    shell_word,
};

/// What changed since the last apply, by playlist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SyncStatus {
    pub playlists_tracked: usize,
    pub tracks_tracked: usize,
    /// The digest of the plan that it was read from.
    pub digest: String,
    pub changes: Vec<ChangeLine>,
    /// Rows that are held back or want a decision.
    pub waiting: usize,
    pub recommended: Vec<Recommendation>,
}

/// Changes of one kind in one playlist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangeLine {
    /// `+`, `-`, `>`, `~`
    pub symbol: char,
    #[serde(rename = "type")]
    pub kind: ChangeKind,
    pub playlist: String,
    pub playlist_id: String,
    pub count: usize,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl SyncStatus {
    /// From a plan and the state that it was made from.
    #[must_use]
    pub fn of(plan: &Plan, state: &State) -> Self {
        let body = &plan.body;
        let live = state
            .playlists
            .values()
            .filter(|list| list.deleted_at.is_none());
        let changes = lines(body);
        Self {
            playlists_tracked: live.count(),
            tracks_tracked: state.tracks.len(),
            digest: plan.digest.clone(),
            recommended: recommended(&changes, body),
            waiting: body.held.len() + body.decisions.len(),
            changes,
        }
    }

    /// Whether anything is pending.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !self.changes.is_empty() || self.waiting > 0
    }

    /// As a screen.
    #[must_use]
    pub const fn view<'a>(&'a self, look: &'a Look) -> SyncView<'a> {
        SyncView { sync: self, look }
    }
}

/// By playlist name, then by kind.
#[must_use]
pub fn lines(body: &Body) -> Vec<ChangeLine> {
    let mut counted: BTreeMap<(&PlaylistId, ChangeKind), (usize, &str)> = BTreeMap::new();
    for change in &body.changes {
        let entry = counted.entry((&change.playlist, change.kind));
        entry.or_insert((0, change.note.as_str())).0 += 1;
    }
    let name = |id: &PlaylistId| {
        body.playlists
            .get(id)
            .map_or_else(|| id.to_string(), |list| list.name.clone())
    };
    let mut lines: Vec<ChangeLine> = counted
        .into_iter()
        .map(|((id, kind), (count, note))| ChangeLine {
            symbol: symbol(kind).character(),
            kind,
            playlist: name(id),
            playlist_id: id.to_string(),
            count,
            note: match kind {
                ChangeKind::PlaylistRenamed => note.to_owned(),
                _ => String::new(),
            },
        })
        .collect();
    lines.sort_by(|a, b| {
        let key = |line: &ChangeLine| {
            (
                fold_name(&line.playlist),
                line.playlist_id.clone(),
                line.kind,
            )
        };
        key(a).cmp(&key(b))
    });
    lines
}

const fn symbol(kind: ChangeKind) -> Symbol {
    match kind {
        ChangeKind::PlaylistAdded | ChangeKind::TrackAddedToPlaylist => Symbol::Add,
        ChangeKind::PlaylistRemoved | ChangeKind::TrackRemovedFromPlaylist => Symbol::Leave,
        ChangeKind::PlaylistRenamed | ChangeKind::TrackMoved => Symbol::Move,
        ChangeKind::TrackMetadataChanged => Symbol::Change,
    }
}

/// A download for each playlist with new tracks, and the plan for everything else.
fn recommended(changes: &[ChangeLine], body: &Body) -> Vec<Recommendation> {
    let added = changes
        .iter()
        .filter(|line| line.kind == ChangeKind::TrackAddedToPlaylist);
    let mut commands: Vec<Recommendation> = added
        .map(|line| {
            // A name that needs care on a screen is better given by its id.
            let name = match visible(&line.playlist) {
                std::borrow::Cow::Borrowed(name) if is_unique(name, changes) => name,
                _ => &line.playlist_id,
            };
            Recommendation::new(
                format!("tidal-cleanup download --playlist {}", shell_word(name)),
                count(line.count, "new track", "new tracks"),
            )
        })
        .collect();
    let others: usize = changes
        .iter()
        .filter(|line| {
            !matches!(
                line.kind,
                ChangeKind::TrackAddedToPlaylist | ChangeKind::PlaylistAdded
            )
        })
        .map(|line| line.count)
        .sum();
    if others > 0 || !is_empty(body) {
        let why = match others {
            0 => "review everything".to_owned(),
            others => format!(
                "review {}",
                count(others, "further change", "further changes")
            ),
        };
        commands.push(Recommendation::new("tidal-cleanup plan", why));
    }
    commands
}

fn is_unique(name: &str, changes: &[ChangeLine]) -> bool {
    let same = changes.iter().filter(|line| line.playlist == name);
    let ids: std::collections::BTreeSet<&str> =
        same.map(|line| line.playlist_id.as_str()).collect();
    ids.len() == 1
}

/// The screen.
pub struct SyncView<'a> {
    sync: &'a SyncStatus,
    look: &'a Look,
}

impl fmt::Display for SyncView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sync, look) = (self.sync, self.look);
        writeln!(f, "{}", look.bold("Sync status"))?;
        writeln!(
            f,
            "  Playlists  {} tracked",
            number(sync.playlists_tracked as u64)
        )?;
        writeln!(
            f,
            "  Tracks     {} tracked",
            number(sync.tracks_tracked as u64)
        )?;
        writeln!(f)?;
        if !sync.is_pending() {
            return writeln!(f, "No changes.");
        }
        writeln!(f, "{}", look.bold("Changes detected"))?;
        change_lines(&sync.changes, look, f)?;
        if sync.waiting > 0 {
            let rows = count(sync.waiting, "row", "rows");
            writeln!(f, "  # {rows} held back or to decide")?;
        }
        if !sync.recommended.is_empty() {
            writeln!(f)?;
        }
        recommendations("Recommended", &sync.recommended, look, f)?;
        writeln!(
            f,
            "\n{}",
            look.dim(&format!("Digest {}", short_digest(&sync.digest)))
        )
    }
}

/// Changes as sentences, one a line.
pub(in crate::cli::view) fn change_lines<'a>(
    changes: impl IntoIterator<Item = &'a ChangeLine>,
    look: &Look,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    for line in changes {
        let symbol = match look.plain {
            true => format!("{}:", symbol(line.kind).word()),
            false => look.paint(&symbol(line.kind).style(), &line.symbol.to_string()),
        };
        let text = paragraph(&sentence(line), 4, look);
        writeln!(f, "  {symbol} {}", text.trim())?;
    }
    Ok(())
}

fn sentence(line: &ChangeLine) -> String {
    let tracks = |what: &str| {
        let (one, many) = (format!("{what}track"), format!("{what}tracks"));
        count(line.count, &one, &many)
    };
    let name = format!("\"{}\"", visible(&line.playlist));
    match line.kind {
        ChangeKind::PlaylistAdded => format!("new playlist {name}"),
        ChangeKind::PlaylistRemoved => format!("{name} is gone from TIDAL"),
        ChangeKind::PlaylistRenamed => match line.note.is_empty() {
            true => format!("{name} is a new name"),
            false => format!("{name}: {}", visible(&line.note)),
        },
        ChangeKind::TrackAddedToPlaylist => format!("{} in {name}", tracks("new ")),
        ChangeKind::TrackRemovedFromPlaylist => format!("{} removed from {name}", tracks("")),
        ChangeKind::TrackMoved => format!("{} moved in {name}", tracks("")),
        ChangeKind::TrackMetadataChanged => format!("{} with new metadata in {name}", tracks("")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::{
        sample::{self, Sample},
        text::width,
    };

    #[test]
    fn what_changed_and_what_to_type() {
        let sync = SyncStatus::of(&sample::everyday(), &State::default());
        insta::assert_snapshot!(sync.view(&Look::plain()), @r#"
        Sync status
          Playlists  0 tracked
          Tracks     0 tracked

        Changes detected
          + 2 new tracks in "House Italo R 🇮🇹"
          > 1 track moved in "House Italo R 🇮🇹"
          - 1 track removed from "Party Mix 🎉"
          ~ 1 track with new metadata in "Party Mix 🎉"
          # 2 rows held back or to decide

        Recommended
          tidal-cleanup download --playlist "House Italo R 🇮🇹"  2 new tracks
          tidal-cleanup plan                                    review 3 further changes

        Digest 9f2c41d0
        "#);
    }

    #[test]
    fn sixty_columns_keep_commands_whole() {
        let sync = SyncStatus::of(&sample::everyday(), &State::default());
        let look = Look {
            width: Some(60),
            ..Look::plain()
        };
        let text = sync.view(&look).to_string();
        let command = |line: &&str| line.contains("tidal-cleanup");
        assert!(
            text.lines()
                .filter(|line| !command(line))
                .all(|line| width(line) <= 60)
        );
        insta::assert_snapshot!(&text[text.find("Recommended").unwrap()..], @r#"
        Recommended
          tidal-cleanup download --playlist "House Italo R 🇮🇹"
              2 new tracks
          tidal-cleanup plan
              review 3 further changes

        Digest 9f2c41d0
        "#);
    }

    #[test]
    fn nothing_pending_says_so() {
        let sync = SyncStatus::of(&Sample::new().plan(), &State::default());
        assert!(!sync.is_pending());
        assert!(
            sync.view(&Look::plain())
                .to_string()
                .ends_with("No changes.\n")
        );
    }
}
