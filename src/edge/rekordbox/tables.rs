//! The rows that a change is staged against, held in memory.
//!
//! The full rows are only those that the edits speak of; of everything else there is an [`Index`]: which
//! ids are taken, which paths and names there are.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::table::{Row, Table, is_live, text};
use crate::domain::{RekordboxSchema, text::nfc};

/// What stands in `djmdProperty` and goes into every new track.
#[derive(Clone, Debug, Default)]
pub(super) struct Property {
    pub(super) database: String,
    pub(super) device: String,
}

/// What is known of all rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// Ids that are used, by tombstones too.
    taken: BTreeMap<Table, HashSet<String>>,
    /// Live tracks by id, with their path.
    paths: HashMap<String, String>,
    /// The live track at a path (NFC).
    at: HashMap<String, String>,
    /// The live artist, album or genre of a name; of several the one with the smallest id.
    names: BTreeMap<Table, HashMap<String, String>>,
}

/// Present rows, changing as edits are staged.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    pub(super) schema: RekordboxSchema,
    pub(super) property: Property,
    /// The last number that was given to a change.
    pub(super) usn: i64,
    /// Playlist ids that only `masterPlaylists6.xml` still knows.
    pub(super) xml_nodes: HashSet<String>,
    /// Live tracks, of those that were asked for.
    pub(super) present: HashSet<String>,
    /// Tracks that something besides playlists and MyTags hangs on: cues, history, samplers.
    pub(super) burdened: HashSet<String>,
    base: Arc<Index>,
    fresh: Index,
    /// Rows of which `base` no longer tells the truth, but `fresh`.
    superseded: HashSet<(Table, String)>,
    rows: BTreeMap<Table, HashMap<String, Row>>,
    groups: HashMap<(Table, &'static str), HashMap<String, BTreeSet<String>>>,
    /// Which tracks use an artist, album or genre.
    users: HashMap<(Table, String), BTreeSet<String>>,
}

/// The columns of a track that name an artist, album or genre.
pub(super) const NAMED_BY: [(&str, Table); 6] = [
    ("ArtistID", Table::Artist),
    ("RemixerID", Table::Artist),
    ("OrgArtistID", Table::Artist),
    ("ComposerID", Table::Artist),
    ("AlbumID", Table::Album),
    ("GenreID", Table::Genre),
];

impl Index {
    pub(super) fn take(&mut self, table: Table, id: String) {
        self.taken.entry(table).or_default().insert(id);
    }

    pub(super) fn content(&mut self, id: String, path: &str) {
        self.at.insert(nfc(path), id.clone());
        self.paths.insert(id, path.to_owned());
    }

    pub(super) fn name(&mut self, table: Table, id: &str, name: String) {
        let known = self.names.entry(table).or_default();
        let slot = known.entry(name).or_insert_with(|| id.to_owned());
        if (id.len(), id) < (slot.len(), slot) {
            id.clone_into(slot);
        }
    }

    /// Whether the live track at `path`, if there is one, is this one.
    pub(super) fn is_free(&self, path: &str, id: &str) -> bool {
        self.at.get(&nfc(path)).is_none_or(|at| at == id)
    }

    fn forget_content(&mut self, id: &str) -> Option<String> {
        let path = self.paths.remove(id)?;
        self.at.remove(&nfc(&path));
        Some(path)
    }

    /// The index with these rows written.
    pub(super) fn learn(&mut self, table: Table, id: &str, row: Option<&Row>) {
        match row {
            Some(_) => self.take(table, id.to_owned()),
            None => {
                self.taken.entry(table).or_default().remove(id);
            }
        }
        let live = row.filter(|row| is_live(row));
        match table {
            Table::Content => {
                self.forget_content(id);
                if let Some(row) = live {
                    self.content(id.to_owned(), text(row, "FolderPath"));
                }
            }
            Table::Artist | Table::Album | Table::Genre => match live {
                Some(row) => self.name(table, id, text(row, "Name").to_owned()),
                None => {
                    let names = self.names.entry(table).or_default();
                    names.retain(|_, known| known != id);
                }
            },
            Table::Playlist
            | Table::CloudFilter
            | Table::SongPlaylist
            | Table::MyTag
            | Table::SongMyTag => {}
        }
    }
}

impl Tables {
    /// Nothing but what is known of all rows.
    pub(super) fn new(schema: RekordboxSchema, property: Property, base: Arc<Index>) -> Self {
        Self {
            schema,
            property,
            base,
            ..Self::default()
        }
    }

    /// The full row, if it was loaded or staged.
    pub(super) fn row(&self, table: Table, id: &str) -> Option<&Row> {
        self.rows.get(&table)?.get(id)
    }

    /// The same, unless it is a tombstone.
    pub(super) fn live(&self, table: Table, id: &str) -> Option<&Row> {
        self.row(table, id).filter(|row| is_live(row))
    }

    /// The live rows of `table` that `column` refers to `id`, with their ids, in order of id.
    pub(super) fn referring(
        &self,
        table: Table,
        column: &'static str,
        id: &str,
    ) -> impl Iterator<Item = (&str, &Row)> {
        let ids = self
            .groups
            .get(&(table, column))
            .and_then(|group| group.get(id));
        ids.into_iter()
            .flatten()
            .filter_map(move |id| Some((id.as_str(), self.live(table, id)?)))
    }

    /// All loaded or staged rows of a table that are live.
    pub(super) fn all(&self, table: Table) -> impl Iterator<Item = (&String, &Row)> {
        let rows = self.rows.get(&table).into_iter().flatten();
        rows.filter(|(_, row)| is_live(row))
    }

    /// Whether an id may not be given to a new row.
    pub(super) fn is_taken(&self, table: Table, id: &str) -> bool {
        let known = |index: &Index| index.taken.get(&table).is_some_and(|ids| ids.contains(id));
        known(&self.base)
            || known(&self.fresh)
            || self.row(table, id).is_some()
            || (table == Table::Playlist && self.xml_nodes.contains(id))
    }

    /// Whether there is such a live track.
    pub(super) fn has_content(&self, id: &str) -> bool {
        let there = self.base.paths.contains_key(id) || self.present.contains(id);
        self.fresh.paths.contains_key(id) || (there && !self.is_superseded(Table::Content, id))
    }

    /// The live track at that path.
    pub(super) fn content_at(&self, path: &str) -> Option<&str> {
        let path = nfc(path);
        let old = self.base.at.get(&path);
        let old = old.filter(|id| !self.is_superseded(Table::Content, id));
        let id = self.fresh.at.get(&path).or(old)?;
        Some(id)
    }

    /// The live artist, album or genre of exactly that name.
    pub(super) fn named(&self, table: Table, name: &str) -> Option<&str> {
        let old = self
            .base
            .names
            .get(&table)
            .and_then(|names| names.get(name));
        let old = old.filter(|id| !self.is_superseded(table, id));
        old.or_else(|| self.fresh.names.get(&table)?.get(name))
            .map(String::as_str)
    }

    /// The tracks that use an artist, album or genre, as far as they were loaded.
    pub(super) fn is_used(&self, table: Table, id: &str) -> bool {
        let key = (table, id.to_owned());
        self.users.get(&key).is_some_and(|users| !users.is_empty())
    }

    /// Records that `content` uses the artist, album or genre `id`.
    pub(super) fn uses(&mut self, table: Table, id: &str, content: &str) {
        let users = self.users.entry((table, id.to_owned())).or_default();
        users.insert(content.to_owned());
    }

    /// Puts a row that was read.
    pub(super) fn load(&mut self, table: Table, row: Row) {
        let id = text(&row, "ID").to_owned();
        self.group(table, &id, Some(&row));
        self.rows.entry(table).or_default().insert(id, row);
    }

    /// Changes a row: `None` takes it away.
    pub(super) fn put(&mut self, table: Table, id: &str, row: Option<Row>) {
        let old = self.rows.entry(table).or_default().remove(id);
        self.ungroup(table, id, old.as_ref());
        self.group(table, id, row.as_ref());
        self.superseded.insert((table, id.to_owned()));
        self.fresh.learn(table, id, row.as_ref());
        if let Some(row) = row {
            self.rows
                .entry(table)
                .or_default()
                .insert(id.to_owned(), row);
        }
    }

    fn is_superseded(&self, table: Table, id: &str) -> bool {
        self.superseded.contains(&(table, id.to_owned()))
    }

    fn group(&mut self, table: Table, id: &str, row: Option<&Row>) {
        let Some(row) = row else { return };
        for column in table.references() {
            let group = self.groups.entry((table, column)).or_default();
            let ids = group.entry(text(row, column).to_owned()).or_default();
            ids.insert(id.to_owned());
        }
        if table == Table::Content && is_live(row) {
            for (column, names) in NAMED_BY {
                self.uses(names, text(row, column), id);
            }
        }
    }

    fn ungroup(&mut self, table: Table, id: &str, row: Option<&Row>) {
        let Some(row) = row else { return };
        for column in table.references() {
            let group = self.groups.entry((table, column)).or_default();
            if let Some(ids) = group.get_mut(text(row, column)) {
                ids.remove(id);
            }
        }
        if table == Table::Content {
            for (column, names) in NAMED_BY {
                let key = (names, text(row, column).to_owned());
                if let Some(users) = self.users.get_mut(&key) {
                    users.remove(id);
                }
            }
        }
    }
}
