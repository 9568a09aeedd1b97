//! What a row of edits comes to: for each row its state before the first and after the last of them.

use std::collections::HashMap;

use super::{
    Probe, RekordboxError, RowEdit, RowEdits,
    table::{Row, STATUS, Table, agrees, integer, value},
};

/// The net change of each row, in the order in which rows are first touched.
#[derive(Debug, Default)]
pub(super) struct Net {
    pub(super) rows: Vec<NetRow>,
}

/// The net change of one row.
#[derive(Debug)]
pub(super) struct NetRow {
    pub(super) table: Table,
    pub(super) id: String,
    pub(super) before: Before,
    pub(super) after: After,
}

/// What the row must be before.
#[derive(Debug)]
pub(super) enum Before {
    /// It is not there.
    Absent,
    /// These columns have these values.
    Columns(Row),
    /// These and no others have values.
    Whole(Row),
}

/// What becomes of it.
#[derive(Debug)]
pub(super) enum After {
    /// It is gone, or never came.
    Absent,
    /// These columns get these values.
    Columns(Row),
    /// The row is these.
    Whole(Row),
}

impl Net {
    /// # Errors
    /// [`RekordboxError::Invalid`] for a table that this program does not write.
    pub(super) fn of<'e>(
        edits: impl IntoIterator<Item = &'e RowEdits>,
    ) -> Result<Self, RekordboxError> {
        let mut net = Self::default();
        let mut known = HashMap::<(Table, &str), usize>::new();
        for edit in edits.into_iter().flat_map(|edits| &edits.0) {
            let table = Table::parse(&edit.table).ok_or_else(|| {
                RekordboxError::Invalid(format!("{} is not a table to write", edit.table))
            })?;
            match known.get(&(table, edit.id.as_str())) {
                Some(&index) => net.rows[index].then(edit),
                None => {
                    known.insert((table, &edit.id), net.rows.len());
                    net.rows.push(NetRow::of(table, edit));
                }
            }
        }
        Ok(net)
    }

    /// The ids of the rows of one table.
    pub(super) fn ids(&self, table: Table) -> Vec<&str> {
        let rows = self.rows.iter().filter(|row| row.table == table);
        rows.map(|row| row.id.as_str()).collect()
    }

    /// The tables that are touched.
    pub(super) fn tables(&self) -> Vec<Table> {
        let touched = |table: &Table| self.rows.iter().any(|row| row.table == *table);
        Table::ALL.into_iter().filter(touched).collect()
    }

    /// Compares with the present rows. Edits that change nothing count as done.
    pub(super) fn probe<'p>(&self, present: impl Fn(Table, &str) -> Option<&'p Row>) -> Probe {
        let is = |state: fn(&NetRow, Option<&Row>) -> bool| {
            self.rows
                .iter()
                .all(|row| state(row, present(row.table, &row.id)))
        };
        if is(NetRow::is_after) {
            Probe::After
        } else if is(NetRow::is_before) {
            Probe::Before
        } else {
            Probe::Conflict
        }
    }

    /// # Errors
    /// [`RekordboxError::Conflict`] for the first row that is not as before.
    pub(super) fn expect_before<'p>(
        &self,
        present: impl Fn(Table, &str) -> Option<&'p Row>,
    ) -> Result<(), RekordboxError> {
        let changed = |row: &&NetRow| {
            let present = present(row.table, &row.id);
            !row.is_before(present) || row.was_synced_since(present)
        };
        match self.rows.iter().find(changed) {
            Some(row) => Err(conflict(row.table, &row.id)),
            None => Ok(()),
        }
    }

    /// Moves the change numbers above `last`, keeping their order, when others were given out since
    /// they were chosen. Returns the last number used: one more than `last` where only rows that
    /// vanish are concerned, which bear none.
    pub(super) fn renumber(&mut self, last: i64) -> i64 {
        let numbers = self.rows.iter().filter_map(|row| row.usn());
        let Some(lowest) = numbers.min() else {
            return last + i64::from(!self.rows.is_empty());
        };
        let shift = (last + 1 - lowest).max(0);
        let mut highest = last;
        for row in &mut self.rows {
            let (After::Columns(image) | After::Whole(image)) = &mut row.after else {
                continue;
            };
            if let Some(usn) = value(image, "rb_local_usn").as_i64() {
                image.insert("rb_local_usn".to_owned(), (usn + shift).into());
                highest = highest.max(usn + shift);
            }
        }
        highest
    }
}

impl NetRow {
    fn of(table: Table, edit: &RowEdit) -> Self {
        let before = match (&edit.before, &edit.after) {
            (None, _) => Before::Absent,
            (Some(row), None) => Before::Whole(row.clone()),
            (Some(row), Some(_)) => Before::Columns(row.clone()),
        };
        let after = match (&edit.before, &edit.after) {
            (_, None) => After::Absent,
            (None, Some(row)) => After::Whole(row.clone()),
            (Some(_), Some(row)) => After::Columns(row.clone()),
        };
        let id = edit.id.clone();
        Self {
            table,
            id,
            before,
            after,
        }
    }

    /// Adds a later edit of the same row.
    fn then(&mut self, edit: &RowEdit) {
        if let (Before::Columns(before), After::Columns(after)) = (&mut self.before, &self.after) {
            let later = edit.before.iter().flatten();
            for (column, value) in later.filter(|(column, _)| !after.contains_key(*column)) {
                before.insert(column.clone(), value.clone());
            }
        }
        match (&mut self.after, &edit.after) {
            (after, None) => *after = After::Absent,
            (After::Columns(known) | After::Whole(known), Some(row)) => {
                known.extend(
                    row.iter()
                        .map(|(column, value)| (column.clone(), value.clone())),
                );
            }
            (after @ After::Absent, Some(row)) => *after = After::Whole(row.clone()),
        }
    }

    fn is_before(&self, present: Option<&Row>) -> bool {
        match (&self.before, present) {
            (Before::Absent, present) => present.is_none(),
            (Before::Columns(_) | Before::Whole(_), None) => false,
            (Before::Columns(image), Some(row)) => agrees(row, image, false),
            (Before::Whole(image), Some(row)) => agrees(row, image, true),
        }
    }

    /// Whether the cloud has come to know the row since: it must then stay as a tombstone, or be marked
    /// as changed.
    fn was_synced_since(&self, present: Option<&Row>) -> bool {
        let (Before::Columns(image) | Before::Whole(image), Some(row)) = (&self.before, present)
        else {
            return false;
        };
        let known = |row: &Row| integer(row, STATUS) != 0;
        image.contains_key(STATUS) && known(image) != known(row)
    }

    fn is_after(&self, present: Option<&Row>) -> bool {
        match (&self.after, present) {
            (After::Absent, present) => present.is_none(),
            (After::Columns(_) | After::Whole(_), None) => false,
            (After::Columns(image), Some(row)) => agrees(row, image, false),
            (After::Whole(image), Some(row)) => agrees(row, image, true),
        }
    }

    fn usn(&self) -> Option<i64> {
        match &self.after {
            After::Absent => None,
            After::Columns(image) | After::Whole(image) => value(image, "rb_local_usn").as_i64(),
        }
    }
}

pub(super) fn conflict(table: Table, id: &str) -> RekordboxError {
    RekordboxError::Conflict {
        table: table.name().to_owned(),
        id: id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn edit(before: &Value, after: &Value) -> RowEdit {
        RowEdit {
            table: "djmdPlaylist".to_owned(),
            id: "7".to_owned(),
            before: before.as_object().cloned(),
            after: after.as_object().cloned(),
        }
    }

    fn net(edits: &[(Value, Value)]) -> Net {
        let edits = edits.iter().map(|(before, after)| edit(before, after));
        Net::of([&RowEdits(edits.collect())]).unwrap_or_default()
    }

    fn probe(net: &Net, present: &Value) -> Probe {
        net.probe(|_, _| present.as_object())
    }

    #[test]
    fn two_updates_are_one_with_both_before_images() {
        let net = net(&[
            (json!({"Seq": 1}), json!({"Seq": 2})),
            (
                json!({"Seq": 2, "Name": "a"}),
                json!({"Seq": 3, "Name": "b"}),
            ),
        ]);
        assert_eq!(net.rows.len(), 1);
        assert_eq!(probe(&net, &json!({"Seq": 1, "Name": "a"})), Probe::Before);
        assert_eq!(probe(&net, &json!({"Seq": 3, "Name": "b"})), Probe::After);
        assert_eq!(
            probe(&net, &json!({"Seq": 2, "Name": "a"})),
            Probe::Conflict
        );
        assert_eq!(probe(&net, &Value::Null), Probe::Conflict);
    }

    #[test]
    fn made_and_changed_is_made_otherwise() {
        let net = net(&[
            (Value::Null, json!({"Seq": 1, "Name": "a"})),
            (json!({"Name": "a"}), json!({"Name": "b"})),
        ]);
        assert_eq!(probe(&net, &Value::Null), Probe::Before);
        assert_eq!(probe(&net, &json!({"Seq": 1, "Name": "b"})), Probe::After);
    }

    #[test]
    fn nothing_to_do_counts_as_done() {
        assert_eq!(probe(&net(&[]), &Value::Null), Probe::After);
        let made_and_removed = [
            (Value::Null, json!({"Seq": 1})),
            (json!({"Seq": 1}), Value::Null),
        ];
        assert_eq!(probe(&net(&made_and_removed), &Value::Null), Probe::After);
    }

    #[test]
    fn numbers_move_up_only_when_they_must() {
        let edits = [(json!({"Seq": 1}), json!({"Seq": 2, "rb_local_usn": 11}))];
        let mut fresh = net(&edits);
        assert_eq!((fresh.renumber(10), fresh.rows[0].usn()), (11, Some(11)));
        let mut stale = net(&edits);
        assert_eq!((stale.renumber(20), stale.rows[0].usn()), (21, Some(21)));
        let mut removal = net(&[(json!({"Seq": 1}), Value::Null)]);
        assert_eq!(removal.renumber(20), 21);
    }

    #[test]
    fn unknown_tables_are_refused() {
        let mut edits = RowEdits(vec![edit(&Value::Null, &json!({}))]);
        edits.0[0].table = "djmdCue".to_owned();
        assert!(matches!(Net::of([&edits]), Err(RekordboxError::Invalid(_))));
    }
}
