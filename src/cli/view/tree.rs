//! Rekordbox's tree of folders and playlists before and after a plan, as far as the plan speaks of it.

use std::{collections::BTreeMap, fmt};

use crate::{
    domain::{NodeKind, PlaylistId, text::fold_name},
    plan::document::{Body, ChangeKind, Effect, Plan},
};

use super::{
    Look,
    rows::{Symbol, paragraph},
    text::{ascii, fit, number, pad, visible, width},
};

/// Both trees, side by side where they fit.
pub struct TreeView<'a> {
    pub plan: &'a Plan,
    pub look: &'a Look,
}

/// A place in the tree: the folders from the top, then the name.
type Place = Vec<String>;

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    is_folder: bool,
    entries: Option<usize>,
    /// What happens to it, if anything does.
    symbol: Option<Symbol>,
}

/// A tree, in the order in which it is read.
type Tree = BTreeMap<Vec<(String, String)>, Node>;

fn key(place: &[String]) -> Vec<(String, String)> {
    let part = |name: &String| (fold_name(name), name.clone());
    place.iter().map(part).collect()
}

fn place(folder: &[String], name: &str) -> Place {
    folder.iter().cloned().chain([name.to_owned()]).collect()
}

fn put(tree: &mut Tree, at: &[String], node: Node) {
    for depth in 1..at.len() {
        let folder = Node {
            is_folder: true,
            entries: None,
            symbol: None,
        };
        tree.entry(key(&at[..depth])).or_insert(folder);
    }
    let known = tree.entry(key(at)).or_insert(node);
    *known = Node {
        is_folder: known.is_folder && node.is_folder,
        entries: node.entries.or(known.entries),
        symbol: node.symbol.or(known.symbol),
    };
}

/// How long a playlist is before and after.
fn lengths(body: &Body) -> BTreeMap<&PlaylistId, (usize, usize)> {
    let set = body
        .actions
        .iter()
        .filter_map(|action| match &action.effect {
            Effect::EntriesSet { before, after } => {
                Some((&after.playlist, (before.count, after.count)))
            }
            _ => None,
        });
    set.collect()
}

fn trees(body: &Body) -> (Tree, Tree) {
    let (mut before, mut after) = (Tree::new(), Tree::new());
    let lengths = lengths(body);
    let length = |id: &Option<PlaylistId>, new: bool| {
        let id = id.as_ref()?;
        let planned = || {
            body.playlists
                .get(id)
                .map(|list| (list.entries.len(), list.entries.len()))
        };
        let (old, now) = lengths.get(id).copied().or_else(planned)?;
        Some(if new { now } else { old })
    };
    let mut told = std::collections::BTreeSet::new();
    for action in &body.actions {
        match &action.effect {
            Effect::NodeCreate { after: new } => {
                told.extend(new.playlist.clone());
                let node = Node {
                    is_folder: new.node == NodeKind::Folder,
                    entries: length(&new.playlist, true),
                    symbol: Some(Symbol::Add),
                };
                put(&mut after, &place(&new.folder, &new.name), node);
            }
            Effect::NodeUpdate {
                before: old,
                after: new,
            } => {
                told.extend(new.playlist.clone());
                let node = |entries| Node {
                    is_folder: new.playlist.is_none(),
                    entries,
                    symbol: Some(Symbol::Move),
                };
                let old_place = place(&old.folder, &old.name);
                put(&mut before, &old_place, node(length(&old.playlist, false)));
                let new_place = place(&new.folder, &new.name);
                put(&mut after, &new_place, node(length(&new.playlist, true)));
            }
            Effect::NodeRemove { before: old } => {
                told.extend(old.playlist.clone());
                let node = Node {
                    is_folder: old.playlist.is_none(),
                    entries: length(&old.playlist, false),
                    symbol: Some(Symbol::Leave),
                };
                put(&mut before, &place(&old.folder, &old.name), node);
            }
            _ => {}
        }
    }
    let gone = |id: &PlaylistId| {
        let mut changes = body.changes.iter();
        changes.any(|change| change.kind == ChangeKind::PlaylistRemoved && change.playlist == *id)
    };
    for (id, planned) in &body.playlists {
        if told.contains(id) || gone(id) {
            continue;
        }
        let at = place(&planned.rekordbox_folder, &planned.rekordbox_name);
        let (old, now) = match lengths.get(id) {
            Some((old, now)) => (*old, *now),
            None => (planned.entries.len(), planned.entries.len()),
        };
        let changes = lengths.contains_key(id).then_some(Symbol::Change);
        let node = |entries| Node {
            is_folder: false,
            entries: Some(entries),
            symbol: changes,
        };
        put(&mut before, &at, node(old));
        put(&mut after, &at, node(now));
    }
    (before, after)
}

fn line(at: &[(String, String)], node: &Node) -> String {
    let name = at.last().map_or("", |(_, name)| name.as_str());
    let symbol = node.symbol.map_or(' ', Symbol::character);
    let slash = if node.is_folder { "/" } else { "" };
    let entries = match node.entries {
        Some(entries) => format!("  ({})", number(entries as u64)),
        None => String::new(),
    };
    let blanks = "  ".repeat(at.len());
    format!("{symbol}{blanks}{}{slash}{entries}", visible(name))
}

impl fmt::Display for TreeView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = trees(&self.plan.body);
        if before.is_empty() && after.is_empty() {
            let none = "The plan changes no playlist or folder of Rekordbox.";
            return f.write_str(&paragraph(none, 0, self.look));
        }
        let mut places: Vec<_> = before.keys().chain(after.keys()).collect();
        places.sort();
        places.dedup();
        let say = |tree: &Tree, at: &Vec<(String, String)>| {
            let text = tree.get(at).map(|node| line(at, node)).unwrap_or_default();
            if self.look.ascii { ascii(&text) } else { text }
        };
        let rows: Vec<(String, String)> = places
            .iter()
            .map(|at| (say(&before, at), say(&after, at)))
            .collect();
        let (left_title, right_title) = ("Rekordbox before", "Rekordbox after");
        let left = rows.iter().map(|(left, _)| width(left)).max().unwrap_or(0);
        let left = left.max(width(left_title));
        let right = rows
            .iter()
            .map(|(_, right)| width(right))
            .max()
            .unwrap_or(0);
        let bar = if self.look.ascii { "|" } else { "│" };
        if self
            .look
            .width
            .is_none_or(|columns| left + 3 + right <= columns)
        {
            let title = format!("{} {bar} {right_title}", pad(left_title, left));
            writeln!(f, "{}", self.look.bold(title.trim_end()))?;
            for (old, new) in &rows {
                let text = format!("{} {bar} {new}", pad(old, left));
                writeln!(f, "{}", text.trim_end())?;
            }
            return Ok(());
        }
        let columns = self.look.width.unwrap_or(usize::MAX);
        let cut = |text: &str| match self.look.ascii {
            true => fit(text, columns).replace('…', "~"),
            false => fit(text, columns),
        };
        writeln!(f, "{}", self.look.bold(left_title))?;
        for (old, _) in rows.iter().filter(|(old, _)| !old.is_empty()) {
            writeln!(f, "{}", cut(old))?;
        }
        writeln!(f, "{}", self.look.bold(right_title))?;
        for (_, new) in rows.iter().filter(|(_, new)| !new.is_empty()) {
            writeln!(f, "{}", cut(new))?;
        }
        Ok(())
    }
}
