//! `masterPlaylists6.xml`: Rekordbox shows a playlist only if this file has a node for it.
//!
//! The file is edited as text: nodes are appended, stamped, moved and removed, and every other byte
//! stays, with its line ends and indentation. Pure: from text to text.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

/// Some editors put it before the text; it is no part of it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The tree as the database has it: live nodes by id.
pub(super) type Tree = BTreeMap<String, TreeNode>;

/// One node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TreeNode {
    /// The containing folder's id, or `root`.
    pub(super) parent: String,
    pub(super) attribute: i64,
    pub(super) seq: i64,
}

/// The file's text with the nodes `touched` as they are in `tree`: those that are gone removed, missing
/// ones appended, moved ones moved, all of them stamped with `at` (milliseconds since 1970), and
/// with them the folders that gained a node.
///
/// # Errors
/// Why the text is not such a file.
pub(super) fn update(
    text: &str,
    tree: &Tree,
    touched: &BTreeSet<&str>,
    at: i64,
) -> Result<String, String> {
    if let Some(rest) = text.strip_prefix(BYTE_ORDER_MARK) {
        return Ok(format!(
            "{BYTE_ORDER_MARK}{}",
            update(rest, tree, touched, at)?
        ));
    }
    let file = File::parse(text)?;
    let mut edits = Edits::new(&file, at);
    for id in touched {
        match tree.get(*id) {
            Some(node) => edits.bring(id, node),
            None => edits.drop_node(id),
        }
    }
    // Nodes hang below their folders: a missing folder would hide what it holds.
    for id in edits.missing_parents(tree) {
        if let Some(node) = tree.get(&id) {
            edits.bring(&id, node);
        }
    }
    Ok(edits.apply())
}

/// A new file with all nodes, in the style of Rekordbox 7.
pub(super) fn fresh(tree: &Tree, at: i64) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\r\n\
         <MASTER_PLAYLIST Version=\"3.0.0\" AutomaticSync=\"0\">\r\n  \
         <PRODUCT Name=\"rekordbox\" Version=\"7.0.0\" Company=\"AlphaTheta\"/>\r\n  \
         <PLAYLISTS>\r\n",
    );
    let mut nodes: Vec<(&String, &TreeNode)> = tree.iter().collect();
    nodes.sort_by_key(|(id, node)| (node.parent != "root", &node.parent, node.seq, *id));
    for (id, node) in nodes {
        if let Some(line) = node_tag(id, node, at) {
            text.push_str(&format!("    {line}\r\n"));
        }
    }
    text + "  </PLAYLISTS>\r\n</MASTER_PLAYLIST>\r\n"
}

/// The decimal ids of the nodes, and the application's version.
///
/// # Errors
/// Why the text is not such a file.
pub(super) fn inspect(text: &str) -> Result<(BTreeSet<String>, Option<String>), String> {
    let file = File::parse(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text))?;
    Ok((file.nodes.into_keys().collect(), file.version))
}

/// Where things stand in the text.
struct File<'t> {
    text: &'t str,
    version: Option<String>,
    /// By decimal id: the tag, and its parent's hexadecimal id.
    nodes: BTreeMap<String, Place>,
    playlists: Playlists,
}

struct Place {
    span: Range<usize>,
    parent: String,
}

enum Playlists {
    Missing,
    /// Where the closing tag begins.
    Closed(usize),
    /// `<PLAYLISTS/>`.
    Empty(Range<usize>),
}

impl<'t> File<'t> {
    fn parse(text: &'t str) -> Result<Self, String> {
        let mut reader = Reader::from_str(text);
        let mut file = Self {
            text,
            version: None,
            nodes: BTreeMap::new(),
            playlists: Playlists::Missing,
        };
        let mut open_node = None;
        let mut is_master = false;
        loop {
            let start = offset(&reader)?;
            let event = reader.read_event().map_err(|error| error.to_string())?;
            let span = start..offset(&reader)?;
            match event {
                Event::Empty(tag) => file.element(&tag, span, true).map(drop)?,
                Event::Start(tag) => {
                    is_master |= tag.name().0 == "MASTER_PLAYLIST";
                    open_node = file.element(&tag, span, false)?.or(open_node);
                }
                Event::End(tag) => match (tag.name().0, open_node.take()) {
                    ("PLAYLISTS", _) => file.playlists = Playlists::Closed(span.start),
                    ("NODE", Some(id)) => {
                        if let Some(place) = file.nodes.get_mut(&id) {
                            place.span.end = span.end;
                        }
                    }
                    (_, open) => open_node = open,
                },
                Event::Eof => break,
                _ => {}
            }
        }
        match file.playlists {
            Playlists::Closed(_) | Playlists::Empty(_) if is_master => Ok(file),
            Playlists::Closed(_) | Playlists::Empty(_) | Playlists::Missing => {
                Err("it is not a list of playlists".to_owned())
            }
        }
    }

    /// Takes note of an element; returns the id of a node.
    fn element(
        &mut self,
        tag: &BytesStart<'_>,
        span: Range<usize>,
        empty: bool,
    ) -> Result<Option<String>, String> {
        match tag.name().0 {
            "NODE" => self.node(tag, span),
            "PRODUCT" => {
                self.version = attribute(tag, "Version")?;
                Ok(None)
            }
            "PLAYLISTS" if empty => {
                self.playlists = Playlists::Empty(span);
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn node(&mut self, tag: &BytesStart<'_>, span: Range<usize>) -> Result<Option<String>, String> {
        if !self
            .text
            .get(span.clone())
            .is_some_and(|tag| tag.starts_with('<'))
        {
            return Err("a node that cannot be found again".to_owned());
        }
        let id = attribute(tag, "Id")?.ok_or("a node without an id")?;
        let parent = attribute(tag, "ParentId")?.unwrap_or_default();
        // An id that is no number is none of Rekordbox's, and stays as it is.
        let Ok(number) = u64::from_str_radix(&id, 16) else {
            return Ok(None);
        };
        self.nodes
            .insert(number.to_string(), Place { span, parent });
        Ok(Some(number.to_string()))
    }

    fn line_end(&self) -> &'static str {
        match (self.text.contains("\r\n"), self.text.contains('\n')) {
            (true, _) => "\r\n",
            (false, true) => "\n",
            (false, false) => "",
        }
    }

    /// The blanks before `at` on its line.
    fn indent(&self, at: usize) -> &'t str {
        let line = self.text[..at].rfind('\n').map_or(0, |end| end + 1);
        let lead = &self.text[line..at];
        if lead.chars().all(|c| matches!(c, ' ' | '\t')) {
            lead
        } else {
            ""
        }
    }

    /// The indentation of a node: that of the last one, or twice that of what holds them.
    fn node_indent(&self) -> String {
        let last = self.nodes.values().max_by_key(|place| place.span.start);
        match (last, &self.playlists) {
            (Some(place), _) => self.indent(place.span.start).to_owned(),
            (None, Playlists::Closed(at)) => self.indent(*at).repeat(2),
            (None, Playlists::Empty(span)) => self.indent(span.start).repeat(2),
            (None, Playlists::Missing) => String::new(),
        }
    }

    /// The whole line of a tag when nothing else stands on it.
    fn line(&self, span: &Range<usize>) -> Range<usize> {
        let start = span.start - self.indent(span.start).len();
        let rest = &self.text[span.end..];
        let alone = start == 0 || self.text[..start].ends_with('\n');
        match (alone, rest.starts_with("\r\n"), rest.starts_with('\n')) {
            (true, true, _) => start..span.end + 2,
            (true, false, true) => start..span.end + 1,
            (true, false, false) | (false, _, _) => span.clone(),
        }
    }
}

/// Changes to the text, none of which overlap.
struct Edits<'f, 't> {
    file: &'f File<'t>,
    at: i64,
    /// Nodes to stamp, with a new parent for some.
    stamped: BTreeMap<String, Option<String>>,
    dropped: BTreeSet<String>,
    appended: BTreeMap<String, String>,
    order: Vec<String>,
}

impl<'f, 't> Edits<'f, 't> {
    fn new(file: &'f File<'t>, at: i64) -> Self {
        Self {
            file,
            at,
            stamped: BTreeMap::new(),
            dropped: BTreeSet::new(),
            appended: BTreeMap::new(),
            order: Vec::new(),
        }
    }

    fn bring(&mut self, id: &str, node: &TreeNode) {
        let parent = hexadecimal(&node.parent);
        match self.file.nodes.get(id) {
            Some(place) if Some(&place.parent) == parent.as_ref() => {
                self.stamped.entry(id.to_owned()).or_default();
            }
            Some(_) => {
                self.stamped.insert(id.to_owned(), parent);
                self.stamp(&node.parent);
            }
            None => {
                if let Some(tag) = node_tag(id, node, self.at)
                    && self.appended.insert(id.to_owned(), tag).is_none()
                {
                    self.order.push(id.to_owned());
                }
                self.stamp(&node.parent);
            }
        }
    }

    fn stamp(&mut self, id: &str) {
        if self.file.nodes.contains_key(id) {
            self.stamped.entry(id.to_owned()).or_default();
        }
    }

    fn drop_node(&mut self, id: &str) {
        if self.file.nodes.contains_key(id) {
            self.dropped.insert(id.to_owned());
        }
    }

    /// Folders above appended nodes that the file does not have.
    fn missing_parents(&self, tree: &Tree) -> Vec<String> {
        let mut missing = Vec::new();
        let mut queue: Vec<&String> = self.order.iter().collect();
        while let Some(node) = queue.pop().and_then(|id| tree.get(id)) {
            let known = self.file.nodes.contains_key(&node.parent)
                || self.appended.contains_key(&node.parent)
                || missing.contains(&node.parent);
            if !known && tree.contains_key(&node.parent) {
                missing.push(node.parent.clone());
                queue.push(&node.parent);
            }
        }
        missing
    }

    fn apply(self) -> String {
        let text = self.file.text;
        let mut changes: Vec<(Range<usize>, String)> = Vec::new();
        for (id, place) in &self.file.nodes {
            if self.dropped.contains(id) {
                changes.push((self.file.line(&place.span), String::new()));
            } else if let Some(parent) = self.stamped.get(id) {
                let mut tag = text[place.span.clone()].to_owned();
                tag = with_attribute(&tag, "Timestamp", &self.at.to_string());
                if let Some(parent) = parent {
                    tag = with_attribute(&tag, "ParentId", parent);
                }
                changes.push((place.span.clone(), tag));
            }
        }
        changes.extend(self.addition());
        changes.sort_by_key(|(span, _)| (span.start, span.end));
        let mut result = String::with_capacity(text.len() + 128 * self.order.len());
        let mut done = 0;
        for (span, replacement) in changes {
            result.push_str(&text[done..span.start]);
            result.push_str(&replacement);
            done = span.end;
        }
        result + &text[done..]
    }

    fn addition(&self) -> Option<(Range<usize>, String)> {
        if self.order.is_empty() {
            return None;
        }
        let (indent, end) = (self.file.node_indent(), self.file.line_end());
        let lines = self.order.iter().filter_map(|id| self.appended.get(id));
        let lines: String = lines.map(|tag| format!("{indent}{tag}{end}")).collect();
        match &self.file.playlists {
            Playlists::Closed(at) => {
                let start = at - self.file.indent(*at).len();
                let alone = self.file.text[..start].ends_with('\n');
                let lead = if alone { "" } else { end };
                Some((start..start, format!("{lead}{lines}")))
            }
            Playlists::Empty(span) => {
                let own = self.file.indent(span.start);
                let element = format!("<PLAYLISTS>{end}{lines}{own}</PLAYLISTS>");
                Some((span.clone(), element))
            }
            Playlists::Missing => None,
        }
    }
}

fn offset(reader: &Reader<&[u8]>) -> Result<usize, String> {
    usize::try_from(reader.buffer_position()).map_err(|error| error.to_string())
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    let Some(attribute) = tag
        .try_get_attribute(name)
        .map_err(|error| error.to_string())?
    else {
        return Ok(None);
    };
    let value = attribute.normalized_value(XmlVersion::Implicit1_0);
    Ok(Some(value.map_err(|error| error.to_string())?.into_owned()))
}

/// `<NODE …/>` of a new node; `None` for an id that is no number, which the format cannot hold.
fn node_tag(id: &str, node: &TreeNode, at: i64) -> Option<String> {
    Some(format!(
        "<NODE Id=\"{}\" ParentId=\"{}\" Attribute=\"{}\" Timestamp=\"{at}\" Lib_Type=\"0\" \
         CheckType=\"0\"/>",
        hexadecimal(id)?,
        hexadecimal(&node.parent)?,
        node.attribute
    ))
}

/// A decimal id in upper-case hexadecimal; `root` is 0.
fn hexadecimal(id: &str) -> Option<String> {
    match id {
        "root" => Some("0".to_owned()),
        id => Some(format!("{:X}", id.parse::<u64>().ok()?)),
    }
}

/// The tag with that attribute's value replaced, or the attribute added at its end.
fn with_attribute(tag: &str, name: &str, value: &str) -> String {
    let found = tag.match_indices(name).find_map(|(at, _)| {
        let before = tag[..at].ends_with(char::is_whitespace);
        let rest = tag[at + name.len()..].trim_start();
        let rest = rest.strip_prefix('=').filter(|_| before)?.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let start = tag.len() - rest.len() + 1;
        let length = tag[start..].find(quote)?;
        Some(start..start + length)
    });
    match found {
        Some(span) => format!("{}{value}{}", &tag[..span.start], &tag[span.end..]),
        None => {
            let end = tag
                .rfind("/>")
                .or_else(|| tag.rfind('>'))
                .unwrap_or(tag.len());
            format!(
                "{} {name}=\"{value}\"{}",
                tag[..end].trim_end(),
                &tag[end..]
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRLF: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\r\n<MASTER_PLAYLIST Version=\"3.0.0\" AutomaticSync=\"0\">\r\n  <PRODUCT Name=\"rekordbox\" Version=\"7.2.10\" Company=\"AlphaTheta\"/>\r\n  <PLAYLISTS>\r\n    <NODE Id=\"A\" ParentId=\"0\" Attribute=\"1\" Timestamp=\"1\" Lib_Type=\"0\" CheckType=\"0\"/>\r\n    <NODE Id=\"B\" ParentId=\"A\" Attribute=\"0\" Timestamp=\"2\" Lib_Type=\"0\" CheckType=\"0\"/>\r\n  </PLAYLISTS>\r\n</MASTER_PLAYLIST>\r\n";

    fn tree(nodes: &[(&str, &str, i64)]) -> Tree {
        let node = |(id, parent, attribute): &(&str, &str, i64)| {
            let node = TreeNode {
                parent: (*parent).to_owned(),
                attribute: *attribute,
                seq: 1,
            };
            ((*id).to_owned(), node)
        };
        nodes.iter().map(node).collect()
    }

    fn updated(text: &str, nodes: &[(&str, &str, i64)], touched: &[&str]) -> String {
        update(text, &tree(nodes), &touched.iter().copied().collect(), 99).unwrap_or_default()
    }

    #[test]
    fn a_new_node_is_appended_and_its_folder_stamped() {
        let result = updated(
            CRLF,
            &[("10", "root", 1), ("11", "10", 0), ("4096", "10", 4)],
            &["4096"],
        );
        let expected = CRLF.replace("Timestamp=\"1\"", "Timestamp=\"99\"").replace(
            "  </PLAYLISTS>",
            "    <NODE Id=\"1000\" ParentId=\"A\" Attribute=\"4\" Timestamp=\"99\" Lib_Type=\"0\" CheckType=\"0\"/>\r\n  </PLAYLISTS>",
        );
        assert_eq!(result, expected);
    }

    #[test]
    fn a_folder_that_is_missing_too_comes_with_its_node() {
        let nodes = [("4096", "root", 1), ("4097", "4096", 0)];
        let result = updated(CRLF, &nodes, &["4097"]);
        assert!(result.contains("<NODE Id=\"1000\" ParentId=\"0\" Attribute=\"1\""));
        assert!(result.contains("<NODE Id=\"1001\" ParentId=\"1000\""));
    }

    #[test]
    fn moved_stamped_and_removed_nodes_leave_all_else() {
        let moved = updated(CRLF, &[("10", "root", 1), ("11", "root", 0)], &["11"]);
        let expected = CRLF.replace(
            "Id=\"B\" ParentId=\"A\" Attribute=\"0\" Timestamp=\"2\"",
            "Id=\"B\" ParentId=\"0\" Attribute=\"0\" Timestamp=\"99\"",
        );
        assert_eq!(moved, expected);
        let removed = updated(CRLF, &[("10", "root", 1)], &["11"]);
        let line = CRLF.lines().find(|line| line.contains("\"B\"")).unwrap();
        assert_eq!(removed, CRLF.replace(&format!("{line}\r\n"), ""));
        assert_eq!(updated(CRLF, &[], &["77"]), CRLF);
    }

    #[test]
    fn other_styles_are_kept() {
        let spread = CRLF.replace("\r\n", "\n").replace("  ", "    ");
        let result = updated(&spread, &[("4096", "root", 0)], &["4096"]);
        assert!(result.contains("\n        <NODE Id=\"1000\""), "{result}");
        assert!(!result.contains('\r'));
        let empty = "<MASTER_PLAYLIST Version=\"3.0.0\"><PLAYLISTS/></MASTER_PLAYLIST>";
        let result = updated(empty, &[("4096", "root", 0)], &["4096"]);
        assert!(result.contains("<PLAYLISTS><NODE Id=\"1000\""), "{result}");
        let pair = CRLF.replace(
            "Timestamp=\"2\" Lib_Type=\"0\" CheckType=\"0\"/>",
            "Timestamp='2'></NODE>",
        );
        let removed = updated(&pair, &[("10", "root", 1)], &["11"]);
        assert!(!removed.contains("</NODE>"), "{removed}");
        let stamped = updated(&pair, &[("11", "10", 0)], &["11"]);
        assert!(stamped.contains("Timestamp='99'></NODE>"), "{stamped}");
        let marked = format!("\u{feff}{CRLF}");
        let result = updated(&marked, &[("4096", "root", 0)], &["4096"]);
        assert!(result.starts_with('\u{feff}') && result.contains("Id=\"1000\""));
        let (ids, _) = inspect(&marked).unwrap_or_default();
        assert!(ids.contains("10") && ids.contains("11"), "{ids:?}");
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        for text in [
            "",
            "<PLAYLISTS>",
            "<MASTER_PLAYLIST/>",
            "no xml",
            "<MASTER_PLAYLIST><PLAYLISTS></MASTER>",
        ] {
            assert!(
                update(text, &Tree::new(), &BTreeSet::new(), 0).is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_fresh_file_reads_back() {
        let text = fresh(
            &tree(&[("10", "root", 1), ("11", "10", 0), ("x", "root", 0)]),
            5,
        );
        let (ids, version) = inspect(&text).unwrap();
        assert_eq!(ids.into_iter().collect::<Vec<_>>(), ["10", "11"]);
        assert_eq!(version.as_deref(), Some("7.0.0"));
        let again = updated(&text, &[("10", "root", 1), ("11", "10", 0)], &["11"]);
        assert_eq!(
            again,
            text.replacen(
                "Timestamp=\"5\" Lib_Type=\"0\" CheckType=\"0\"/>\r\n  </",
                "Timestamp=\"99\" Lib_Type=\"0\" CheckType=\"0\"/>\r\n  </",
                1
            )
        );
    }
}
