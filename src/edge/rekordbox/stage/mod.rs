//! Computes which rows an edit changes to what, as Rekordbox 7.2 itself changes them.
//!
//! Pure: from the rows at hand, ids and a time to the rows' images. Each changed row gets a number from
//! the counter of local changes (`rb_local_usn`); rows that one action changes alike share one. A row
//! that the cloud knows (`rb_data_status` 256) becomes 257 when edited and 258, a tombstone, when
//! removed; a row that it does not know (0) keeps its status and is deleted in earnest. The cloud's own
//! number (`usn`) is never written.

mod content;
mod entries;
mod nodes;
mod restore;
mod tags;

use serde_json::{Value, json};

use super::{
    ContentRef, Edit, IdSource, NodeRef, Parent, RekordboxError, RowEdit, Staged, TagRef,
    net::conflict,
    table::{Row, Table, integer, is_live, value},
    tables::Tables,
};
use crate::domain::{ContentId, MyTagId, NodeId};

pub(super) use content::CONTENT_COLUMNS;

/// `ParentID` of what stands at the top.
pub(super) const ROOT: &str = "root";

/// The time of a change, in the forms that Rekordbox writes.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    /// UTC, `2022-04-09 21:38:37.315 +00:00`.
    pub(super) stamp: String,
    /// The local date, `2022-04-09`.
    pub(super) today: String,
    zone: jiff::tz::TimeZone,
}

impl Moment {
    pub(super) fn new(now: jiff::Timestamp, zone: &jiff::tz::TimeZone) -> Self {
        Self {
            stamp: now.strftime("%Y-%m-%d %H:%M:%S%.3f +00:00").to_string(),
            today: now.to_zoned(zone.clone()).date().to_string(),
            zone: zone.clone(),
        }
    }

    /// The local date of another time.
    fn date(&self, at: jiff::Timestamp) -> String {
        at.to_zoned(self.zone.clone()).date().to_string()
    }
}

/// Stages `edits` in order, each as if those before it had been made. `tables` shows them as made.
///
/// # Errors
/// When an edit makes no sense against the rows.
pub(super) fn stage(
    tables: &mut Tables,
    edits: &[Edit],
    ids: &mut IdSource,
    moment: &Moment,
) -> Result<Vec<Staged>, RekordboxError> {
    let mut stager = Stager {
        tables,
        ids,
        moment,
        done: Vec::with_capacity(edits.len()),
        rows: Vec::new(),
    };
    for edit in edits {
        let mut staged = stager.edit(edit)?;
        staged.rows.0 = std::mem::take(&mut stager.rows);
        stager.done.push(staged);
    }
    Ok(stager.done)
}

struct Stager<'s> {
    tables: &'s mut Tables,
    ids: &'s mut IdSource,
    moment: &'s Moment,
    /// The edits before this one.
    done: Vec<Staged>,
    /// The rows of this one so far.
    rows: Vec<RowEdit>,
}

impl Stager<'_> {
    fn edit(&mut self, edit: &Edit) -> Result<Staged, RekordboxError> {
        match edit {
            Edit::AddContent(new) => self.add_content(new),
            Edit::Relocate { content, file } => self.relocate(content, file),
            Edit::UpdateContent {
                content,
                title,
                artist,
                album,
                year,
            } => self.update_content(
                content,
                title.as_deref(),
                artist.as_deref(),
                album.as_deref(),
                *year,
            ),
            Edit::CreateNode {
                name,
                kind,
                parent,
                smart,
            } => self.create_node(name, *kind, parent, smart),
            Edit::UpdateNode { id, name, parent } => {
                self.update_node(id, name.as_deref(), parent.as_ref())
            }
            Edit::RemoveNode { id } => self.remove_node(id),
            Edit::SetEntries { node, contents } => self.set_entries(node, contents),
            Edit::CreateTag { group, name } => self.create_tag(group, name),
            Edit::SetTags {
                content,
                add,
                remove,
            } => self.set_tags(content, add, remove),
            Edit::Restore(rows) => self.restore(rows),
        }
    }

    /// The next number of the counter of local changes.
    fn next_usn(&mut self) -> i64 {
        self.tables.usn += 1;
        self.tables.usn
    }

    fn new_id(&mut self, table: Table) -> String {
        let tables = &*self.tables;
        match table.id_bits() {
            Some(bits) => self.ids.number(bits, |id| tables.is_taken(table, id)),
            None => self.ids.uuid(|id| tables.is_taken(table, id)),
        }
    }

    /// Makes a row of `columns` and those at the end of every table; returns its id.
    fn insert(&mut self, table: Table, id: String, columns: Value, usn: i64) -> String {
        let uuid = self.ids.uuid(|_| false);
        self.insert_with_uuid(table, id, columns, &uuid, usn)
    }

    fn insert_with_uuid(
        &mut self,
        table: Table,
        id: String,
        columns: Value,
        uuid: &str,
        usn: i64,
    ) -> String {
        let tail = json!({
            "ID": id,
            "UUID": uuid,
            "rb_data_status": 0,
            "rb_local_data_status": 0,
            "rb_local_deleted": 0,
            "rb_local_synced": 0,
            "rb_local_usn": usn,
            "created_at": self.moment.stamp,
            "updated_at": self.moment.stamp,
        });
        let mut row = Row::new();
        for part in [columns, tail] {
            if let Value::Object(part) = part {
                row.extend(part.into_iter().filter(|(_, value)| !value.is_null()));
            }
        }
        self.record(table, &id, None, Some(row));
        id
    }

    /// Changes the columns that differ; nothing when none does.
    fn update(
        &mut self,
        table: Table,
        id: &str,
        columns: Value,
        usn: i64,
    ) -> Result<(), RekordboxError> {
        let row = self
            .tables
            .live(table, id)
            .ok_or_else(|| conflict(table, id))?;
        let mut changes = Row::new();
        if let Value::Object(columns) = columns {
            let differs = |(column, new): &(String, Value)| value(row, column) != new;
            changes.extend(columns.into_iter().filter(differs));
        }
        if changes.is_empty() {
            return Ok(());
        }
        let status = match integer(row, "rb_data_status") {
            256 => 257,
            status => status,
        };
        changes.insert("rb_data_status".to_owned(), status.into());
        changes.insert("rb_local_deleted".to_owned(), 0.into());
        self.change(table, id, changes, usn);
        Ok(())
    }

    /// Takes a row away: a row that the cloud knows stays as a tombstone.
    fn remove(&mut self, table: Table, id: &str, usn: i64) {
        let Some(row) = self.tables.row(table, id) else {
            return;
        };
        if integer(row, "rb_data_status") == 0 {
            let before = row.clone();
            self.record(table, id, Some(before), None);
        } else {
            let mut changes = Row::new();
            changes.insert("rb_data_status".to_owned(), 258.into());
            changes.insert("rb_local_deleted".to_owned(), 1.into());
            self.change(table, id, changes, usn);
        }
    }

    /// Sets columns as they are given, with number and time.
    fn change(&mut self, table: Table, id: &str, mut changes: Row, usn: i64) {
        let Some(row) = self.tables.row(table, id).cloned() else {
            return;
        };
        changes.insert("rb_local_usn".to_owned(), usn.into());
        changes.insert("updated_at".to_owned(), self.moment.stamp.clone().into());
        let named = |column: &String| (column.clone(), value(&row, column).clone());
        let before: Row = changes.keys().map(named).collect();
        self.record(table, id, Some(before), Some(changes));
    }

    /// Notes one row's change and makes it in the tables.
    fn record(&mut self, table: Table, id: &str, before: Option<Row>, after: Option<Row>) {
        let row = match (&before, &after) {
            (Some(_), Some(changes)) => {
                let mut row = self.tables.row(table, id).cloned().unwrap_or_default();
                row.extend(
                    changes
                        .iter()
                        .map(|(column, value)| (column.clone(), value.clone())),
                );
                row.retain(|_, value| !value.is_null());
                Some(row)
            }
            (None | Some(_), after) => after.clone(),
        };
        self.tables.put(table, id, row);
        self.rows.push(RowEdit {
            table: table.name().to_owned(),
            id: id.to_owned(),
            before,
            after,
        });
    }

    fn node_id(&self, node: &NodeRef) -> Result<NodeId, RekordboxError> {
        match node {
            NodeRef::Id(id) => Ok(id.clone()),
            NodeRef::Staged(index) => {
                let staged = self.done.get(*index).and_then(|staged| staged.node.clone());
                staged.ok_or_else(|| invalid(format!("edit {index} makes no playlist")))
            }
        }
    }

    fn content_id(&self, content: &ContentRef) -> Result<ContentId, RekordboxError> {
        let id = match content {
            ContentRef::Id(id) => id.clone(),
            ContentRef::Staged(index) => {
                let staged = self
                    .done
                    .get(*index)
                    .and_then(|staged| staged.content.clone());
                staged.ok_or_else(|| invalid(format!("edit {index} adds no track")))?
            }
        };
        if self.tables.has_content(id.as_str()) {
            Ok(id)
        } else {
            Err(invalid(format!(
                "track {id} is not in the Rekordbox collection"
            )))
        }
    }

    fn tag_id(&self, tag: &TagRef) -> Result<MyTagId, RekordboxError> {
        let id = match tag {
            TagRef::Id(id) => id.clone(),
            TagRef::Staged(index) => {
                let staged = self.done.get(*index).and_then(|staged| staged.tag.clone());
                staged.ok_or_else(|| invalid(format!("edit {index} makes no MyTag")))?
            }
        };
        let row = self.tables.live(Table::MyTag, id.as_str());
        match row.map(|row| integer(row, "Attribute")) {
            Some(0) => Ok(id),
            Some(_) => Err(invalid(format!("MyTag {id} is a group"))),
            None => Err(invalid(format!("there is no MyTag {id}"))),
        }
    }

    fn parent_id(&self, parent: &Parent) -> Result<String, RekordboxError> {
        match parent {
            Parent::Root => Ok(ROOT.to_owned()),
            Parent::Node(node) => Ok(self.node_id(node)?.as_str().to_owned()),
        }
    }

    /// The largest `Seq` among the children of `parent`.
    fn last_seq(&self, table: Table, parent: &str) -> i64 {
        let children = self.tables.referring(table, "ParentID", parent);
        children
            .map(|(_, row)| integer(row, "Seq"))
            .max()
            .unwrap_or(0)
    }
}

pub(super) fn invalid(message: String) -> RekordboxError {
    RekordboxError::Invalid(message)
}

/// The row, unless it is missing or a tombstone.
fn live_row(row: Option<&Row>) -> Option<&Row> {
    row.filter(|row| is_live(row))
}

/// The number as Rekordbox's smart playlists write it: 32 bits, two's complement.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the wrapping to 32 bits is the format"
)]
fn as_i32(id: &str) -> Result<i32, RekordboxError> {
    let number: i64 = id
        .parse()
        .map_err(|_| invalid(format!("the id {id} is not a number")))?;
    Ok(number as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rekordbox_does() {
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(3));
        let at = |text: &str| {
            text.parse::<jiff::Timestamp>()
                .map(|at| Moment::new(at, &zone))
        };
        let moment = at("2022-04-09T21:38:37.315999Z").unwrap();
        assert_eq!(moment.stamp, "2022-04-09 21:38:37.315 +00:00");
        assert_eq!(moment.today, "2022-04-10");
        let late = "2022-04-08T22:00:00Z".parse().unwrap();
        assert_eq!(moment.date(late), "2022-04-09");
        let round = at("2022-04-09T02:00:00Z").unwrap();
        assert_eq!(round.stamp, "2022-04-09 02:00:00.000 +00:00");
    }

    #[test]
    fn large_ids_become_negative() {
        assert_eq!(as_i32("4078795266").unwrap(), -216_172_030);
        assert_eq!(as_i32("571261727").unwrap(), 571_261_727);
        assert!(as_i32("x").is_err());
    }
}
