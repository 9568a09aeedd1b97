//! Playlists, folders and smart playlists.

use serde_json::{Value, json};

use super::{ROOT, Stager, as_i32, invalid};
use crate::{
    domain::{NodeId, NodeKind, RekordboxSchema},
    edge::rekordbox::{
        Parent, RekordboxError, Staged, TagRef,
        collect::node_kind,
        table::{Row, Table, integer, text},
    },
};

impl Stager<'_> {
    /// Appends: no sibling is touched. Rekordbox writes the row, then its place in the cloud's filter
    /// (version 7), then the row again with its name; the row keeps the last number.
    pub(super) fn create_node(
        &mut self,
        name: &str,
        kind: NodeKind,
        parent: &Parent,
        smart: &[TagRef],
    ) -> Result<Staged, RekordboxError> {
        expect_name(name)?;
        let parent = self.parent_id(parent)?;
        self.expect_folder(&parent)?;
        let id = self.new_id(Table::Playlist);
        let smart_list = self.smart_list(&id, kind, smart)?;
        let columns = json!({
            "Seq": self.last_seq(Table::Playlist, &parent) + 1,
            "Name": name,
            "Attribute": attribute(kind)?,
            "ParentID": parent,
            "SmartList": smart_list,
        });
        let uuid = self.ids.uuid(|_| false);
        let first = self.next_usn();
        let filter = match self.tables.schema {
            RekordboxSchema::V7 => Some(self.next_usn()),
            RekordboxSchema::V6 => None,
        };
        let last = self.next_usn();
        debug_assert!(first < last, "the counter rises");
        let id = self.insert_with_uuid(Table::Playlist, id, columns, &uuid, last);
        if let Some(usn) = filter {
            let filter_id = self.new_id(Table::CloudFilter);
            let columns = json!({"PlaylistUUID": uuid, "Seq": 0});
            self.insert(Table::CloudFilter, filter_id, columns, usn);
        }
        Ok(concerned(NodeId::new(id)))
    }

    /// Moving appends to the new folder; the old siblings keep their places, with a gap.
    pub(super) fn update_node(
        &mut self,
        id: &NodeId,
        name: Option<&str>,
        parent: Option<&Parent>,
    ) -> Result<Staged, RekordboxError> {
        let old_parent = text(self.own_node(id)?, "ParentID").to_owned();
        let mut columns = serde_json::Map::new();
        if let Some(name) = name {
            expect_name(name)?;
            columns.insert("Name".to_owned(), name.into());
        }
        let parent = parent.map(|parent| self.parent_id(parent)).transpose()?;
        if let Some(parent) = parent.filter(|parent| *parent != old_parent) {
            self.expect_folder(&parent)?;
            self.refuse_cycle(id, &parent)?;
            let seq = self.last_seq(Table::Playlist, &parent) + 1;
            columns.insert("Seq".to_owned(), seq.into());
            columns.insert("ParentID".to_owned(), parent.into());
        }
        let usn = self.next_usn();
        self.update(Table::Playlist, id.as_str(), Value::Object(columns), usn)?;
        Ok(concerned(id.clone()))
    }

    /// The siblings keep their places, with a gap, as after a move. Rekordbox itself closes the gap when
    /// a person deletes a playlist; but the siblings may be the user's own, and a gap is as good an
    /// order as none.
    pub(super) fn remove_node(&mut self, id: &NodeId) -> Result<Staged, RekordboxError> {
        let uuid = text(self.own_node(id)?, "UUID").to_owned();
        if self.has_children(id.as_str()) {
            return Err(invalid(format!("the Rekordbox folder {id} is not empty")));
        }
        let songs = self.ids_referring(Table::SongPlaylist, "PlaylistID", id.as_str());
        let filters = match uuid.as_str() {
            "" => Vec::new(),
            uuid => self.ids_referring(Table::CloudFilter, "PlaylistUUID", uuid),
        };
        let usn = self.next_usn();
        for song in songs {
            self.remove(Table::SongPlaylist, &song, usn);
        }
        for filter in filters {
            self.remove(Table::CloudFilter, &filter, usn);
        }
        self.remove(Table::Playlist, id.as_str(), usn);
        Ok(concerned(id.clone()))
    }

    /// The XML of a smart playlist: tracks that have all these MyTags (operator 8, contains).
    fn smart_list(
        &self,
        id: &str,
        kind: NodeKind,
        tags: &[TagRef],
    ) -> Result<Option<String>, RekordboxError> {
        match (kind, tags) {
            (NodeKind::Smart, []) => Err(invalid("a smart playlist needs a MyTag".to_owned())),
            (NodeKind::Smart, tags) => {
                let mut xml = format!(
                    "<NODE Id=\"{}\" LogicalOperator=\"1\" AutomaticUpdate=\"0\">",
                    as_i32(id)?
                );
                for tag in tags {
                    let tag = as_i32(self.tag_id(tag)?.as_str())?;
                    xml.push_str(&format!(
                        "<CONDITION PropertyName=\"myTag\" Operator=\"8\" ValueUnit=\"\" \
                         ValueLeft=\"{tag}\" ValueRight=\"\"/>"
                    ));
                }
                Ok(Some(xml + "</NODE>"))
            }
            (NodeKind::List | NodeKind::Folder | NodeKind::Special, []) => Ok(None),
            (NodeKind::List | NodeKind::Folder | NodeKind::Special, _) => {
                Err(invalid("only a smart playlist has conditions".to_owned()))
            }
        }
    }

    /// The live row of a node that may be changed.
    pub(super) fn own_node(&self, id: &NodeId) -> Result<&Row, RekordboxError> {
        let row = self.tables.live(Table::Playlist, id.as_str());
        let row = row.ok_or_else(|| invalid(format!("there is no Rekordbox playlist {id}")))?;
        match node_kind(integer(row, "Attribute")) {
            NodeKind::List | NodeKind::Folder | NodeKind::Smart => Ok(row),
            NodeKind::Special => Err(invalid(format!("playlist {id} is Rekordbox's own"))),
        }
    }

    pub(super) fn has_children(&self, id: &str) -> bool {
        let mut children = self.tables.referring(Table::Playlist, "ParentID", id);
        children.next().is_some()
    }

    pub(super) fn ids_referring(
        &self,
        table: Table,
        column: &'static str,
        id: &str,
    ) -> Vec<String> {
        let rows = self.tables.referring(table, column, id);
        rows.map(|(id, _)| id.to_owned()).collect()
    }

    fn expect_folder(&self, id: &str) -> Result<(), RekordboxError> {
        if id == ROOT {
            return Ok(());
        }
        let row = self.tables.live(Table::Playlist, id);
        match row.map(|row| node_kind(integer(row, "Attribute"))) {
            Some(NodeKind::Folder) => Ok(()),
            Some(NodeKind::List | NodeKind::Smart | NodeKind::Special) => {
                Err(invalid(format!("playlist {id} is not a folder")))
            }
            None => Err(invalid(format!("there is no Rekordbox folder {id}"))),
        }
    }

    fn refuse_cycle(&self, id: &NodeId, parent: &str) -> Result<(), RekordboxError> {
        let mut above = parent.to_owned();
        // A tree that is already a ring ends the walk after as many steps as there are nodes.
        for _ in 0..=self.tables.all(Table::Playlist).count() {
            if above == id.as_str() {
                return Err(invalid(format!("folder {id} cannot move into itself")));
            }
            match self.tables.live(Table::Playlist, &above) {
                Some(row) => above = text(row, "ParentID").to_owned(),
                None => return Ok(()),
            }
        }
        Err(invalid(format!("folder {parent} is inside itself")))
    }
}

fn attribute(kind: NodeKind) -> Result<i64, RekordboxError> {
    match kind {
        NodeKind::List => Ok(0),
        NodeKind::Folder => Ok(1),
        NodeKind::Smart => Ok(4),
        NodeKind::Special => Err(invalid("Rekordbox's own playlists are not made".to_owned())),
    }
}

fn expect_name(name: &str) -> Result<(), RekordboxError> {
    match name.trim() {
        "" => Err(invalid("a playlist needs a name".to_owned())),
        _ => Ok(()),
    }
}

fn concerned(node: NodeId) -> Staged {
    Staged {
        node: Some(node),
        ..Staged::default()
    }
}
