//! What going back to an older state of a library would lose. Pure.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::domain::{Collection, CollectionPlaylist, Content, NodeKind, Observed};

/// Rows by table and id, with the date of their last change.
pub(super) type TableRows = BTreeMap<String, HashMap<String, Option<String>>>;

/// What is now and was not then, and the other way round.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Tracks that would be gone: `Artist – Title`.
    pub tracks: Vec<String>,
    /// Tracks that would come back.
    pub tracks_back: Vec<String>,
    /// Tracks whose fields were edited since.
    pub tracks_edited: Vec<String>,
    /// Playlists and folders that would be gone, by their way from the top.
    pub playlists: Vec<String>,
    /// Playlists and folders that would come back.
    pub playlists_back: Vec<String>,
    /// Playlists that would be named, placed or filled as they were.
    pub playlists_changed: Vec<String>,
    /// Tracks with more hot and memory cues now, and how many cues that is.
    pub cues: Vec<(String, u32)>,
    /// MyTags that would be gone, or be called as before.
    pub tags: Vec<String>,
    /// Tracks that bear other MyTags now.
    pub tagged: Vec<String>,
    /// Tracks with another rating now.
    pub rated: Vec<String>,
    /// Tracks that were played since.
    pub played: Vec<String>,
    /// Rows of other tables that are new or other now (`djmdCue`, `djmdHistory`, …).
    pub rows: BTreeMap<String, usize>,
}

impl Loss {
    pub(super) fn of(
        now: &Observed<Collection>,
        then: &Observed<Collection>,
        now_rows: &TableRows,
        then_rows: &TableRows,
    ) -> Self {
        let mut loss = Self::default();
        let (now, then) = (&now.value, &then.value);
        let edited = |id: &str| {
            let stamp = |rows: &TableRows| rows.get("djmdContent")?.get(id).cloned();
            stamp(now_rows) != stamp(then_rows)
        };
        for (id, content) in &now.contents {
            match then.contents.get(id) {
                None => loss.tracks.push(label(content)),
                Some(old) => loss.track(content, old, edited(id.as_str())),
            }
        }
        let back = then
            .contents
            .iter()
            .filter(|(id, _)| !now.contents.contains_key(id));
        loss.tracks_back = back.map(|(_, content)| label(content)).collect();
        for node in now
            .nodes
            .values()
            .filter(|node| node.kind != NodeKind::Special)
        {
            match then.nodes.get(&node.id) {
                None => loss.playlists.push(way(now, node)),
                Some(old) if differs(node, old) => loss.playlists_changed.push(way(now, node)),
                Some(_) => {}
            }
        }
        let back = then
            .nodes
            .values()
            .filter(|node| !now.nodes.contains_key(&node.id));
        loss.playlists_back = back.map(|node| way(then, node)).collect();
        let gone = now.my_tags.values().filter(|tag| {
            let old = then.my_tags.get(&tag.id);
            old.is_none_or(|old| (&old.name, &old.group) != (&tag.name, &tag.group))
        });
        loss.tags = gone.map(|tag| tag.name.clone()).collect();
        for (table, rows) in now_rows.iter().filter(|(table, _)| *table != "djmdContent") {
            let old = then_rows.get(table);
            let other = |(id, at): &(&String, &Option<String>)| {
                old.and_then(|old| old.get(*id)) != Some(*at)
            };
            let count = rows.iter().filter(other).count();
            if count > 0 {
                loss.rows.insert(table.clone(), count);
            }
        }
        loss.sort();
        loss
    }

    fn track(&mut self, now: &Content, then: &Content, edited: bool) {
        let name = || label(now);
        let cues = |content: &Content| content.hot_cues + content.memory_cues;
        let more = cues(now).saturating_sub(cues(then));
        if more > 0 {
            self.cues.push((name(), more));
        }
        if now.my_tags != then.my_tags {
            self.tagged.push(name());
        }
        if now.rating != then.rating {
            self.rated.push(name());
        }
        if now.play_count > then.play_count {
            self.played.push(name());
        }
        // Some programs change a row and not its date.
        if edited || reads_otherwise(now, then) {
            self.tracks_edited.push(name());
        }
    }

    fn sort(&mut self) {
        for list in [
            &mut self.tracks,
            &mut self.tracks_back,
            &mut self.tracks_edited,
            &mut self.playlists,
            &mut self.playlists_back,
            &mut self.playlists_changed,
            &mut self.tags,
            &mut self.tagged,
            &mut self.rated,
            &mut self.played,
        ] {
            list.sort();
        }
        self.cues.sort();
    }

    /// Whether both states are the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether something differs that a person edits of a track, besides what is told by itself.
fn reads_otherwise(now: &Content, then: &Content) -> bool {
    now.title != then.title
        || now.artist != then.artist
        || now.album != then.album
        || now.genre != then.genre
        || now.year != then.year
        || now.folder_path != then.folder_path
}

fn label(content: &Content) -> String {
    match &content.artist {
        Some(artist) => format!("{artist} – {}", content.title),
        None if content.title.is_empty() => content.folder_path.clone(),
        None => content.title.to_string(),
    }
}

fn differs(now: &CollectionPlaylist, then: &CollectionPlaylist) -> bool {
    let contents = |node: &CollectionPlaylist| -> Vec<_> {
        node.entries
            .iter()
            .map(|entry| entry.content.clone())
            .collect()
    };
    (&now.name, &now.parent, &now.smart) != (&then.name, &then.parent, &then.smart)
        || contents(now) != contents(then)
}

/// Folders from the top, and the name.
fn way(collection: &Collection, node: &CollectionPlaylist) -> String {
    let mut way = vec![node.name.as_str()];
    let mut at = node.parent.as_ref();
    while let Some(folder) = at.and_then(|id| collection.nodes.get(id)) {
        way.push(&folder.name);
        at = folder.parent.as_ref();
        if way.len() > collection.nodes.len() {
            break;
        }
    }
    way.reverse();
    way.join(" / ")
}
