//! MyTags and their links to tracks.

use serde_json::json;

use super::{ROOT, Stager, invalid, live_row};
use crate::{
    domain::MyTagId,
    edge::rekordbox::{
        ContentRef, RekordboxError, Staged, TagRef,
        table::{Table, integer, text},
    },
};

/// Rekordbox shows four groups, with these ids.
const GROUPS: [&str; 4] = ["1", "2", "3", "4"];

impl Stager<'_> {
    /// A tag of that name that the group has already is taken as it is, and nothing is written.
    pub(super) fn create_tag(&mut self, group: &str, name: &str) -> Result<Staged, RekordboxError> {
        if name.trim().is_empty() {
            return Err(invalid("a MyTag needs a name".to_owned()));
        }
        let group = self.group(group)?;
        let same = |(id, row): (&str, &_)| (text(row, "Name") == name).then(|| id.to_owned());
        let known = self
            .tables
            .referring(Table::MyTag, "ParentID", &group)
            .find_map(same);
        let id = match known {
            Some(id) => id,
            None => {
                let columns = json!({
                    "Seq": self.last_seq(Table::MyTag, &group) + 1,
                    "Name": name,
                    "Attribute": 0,
                    "ParentID": group,
                });
                let id = self.new_id(Table::MyTag);
                let usn = self.next_usn();
                self.insert(Table::MyTag, id, columns, usn)
            }
        };
        Ok(Staged {
            tag: Some(MyTagId::new(id)),
            ..Staged::default()
        })
    }

    /// A link that is there already is not made again, and one that is gone already is not missed.
    pub(super) fn set_tags(
        &mut self,
        content: &ContentRef,
        add: &[TagRef],
        remove: &[String],
    ) -> Result<Staged, RekordboxError> {
        let content = self.content_id(content)?;
        for link in remove {
            let row = live_row(self.tables.row(Table::SongMyTag, link));
            let Some(row) = row else { continue };
            if text(row, "ContentID") != content.as_str() {
                return Err(invalid(format!("MyTag link {link} is another track's")));
            }
            let usn = self.next_usn();
            self.remove(Table::SongMyTag, link, usn);
        }
        let mut links = Vec::new();
        for tag in add {
            let tag = self.tag_id(tag)?;
            if self.is_tagged(content.as_str(), &tag) {
                continue;
            }
            let id = self.new_id(Table::SongMyTag);
            let columns = json!({"MyTagID": tag.as_str(), "ContentID": content.as_str()});
            let usn = self.next_usn();
            links.push((tag, self.insert(Table::SongMyTag, id, columns, usn)));
        }
        Ok(Staged {
            content: Some(content),
            links,
            ..Staged::default()
        })
    }

    fn is_tagged(&self, content: &str, tag: &MyTagId) -> bool {
        let mut links = self
            .tables
            .referring(Table::SongMyTag, "ContentID", content);
        links.any(|(_, row)| text(row, "MyTagID") == tag.as_str())
    }

    /// The id of the group of that name; of several the first by position. Made when one of the four
    /// is vacant.
    fn group(&mut self, name: &str) -> Result<String, RekordboxError> {
        let is_group = |row| integer(row, "Attribute") == 1 && text(row, "ParentID") == ROOT;
        let groups: Vec<(i64, &String, &str)> = self
            .tables
            .all(Table::MyTag)
            .filter(|(_, row)| is_group(row))
            .map(|(id, row)| (integer(row, "Seq"), id, text(row, "Name")))
            .collect();
        if let Some((_, id, _)) = groups.iter().filter(|group| group.2 == name).min() {
            return Ok((*id).clone());
        }
        let free = |id: &&&str| self.tables.row(Table::MyTag, id).is_none();
        match GROUPS.iter().find(free) {
            Some(id) if groups.len() < GROUPS.len() => Ok(self.make_group(id, name)),
            Some(_) | None => Err(invalid(format!(
                "Rekordbox has no MyTag group {name:?}, and its four groups are in use: rename one"
            ))),
        }
    }

    /// A group's UUID is its id.
    fn make_group(&mut self, id: &str, name: &str) -> String {
        let columns = json!({
            "Seq": self.last_seq(Table::MyTag, ROOT) + 1,
            "Name": name,
            "Attribute": 1,
            "ParentID": ROOT,
        });
        let usn = self.next_usn();
        self.insert_with_uuid(Table::MyTag, id.to_owned(), columns, id, usn)
    }
}
