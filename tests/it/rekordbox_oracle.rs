//! What another program sees in a library that we made and changed: pyrekordbox, where Python has it.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use std::{path::Path, process::Command};

use tidal_cleanup::{
    domain::{Collection, NodeKind, RekordboxSchema},
    edge::rekordbox::{ContentRef, Edit, NodeRef, Parent, TagRef},
};

use crate::rekordbox::{World, content, node, small, track};

/// Prints the tree in order, with entries, and the tags of each track.
const SCRIPT: &str = r#"
import logging, sys, warnings
logging.disable(logging.CRITICAL); warnings.simplefilter("ignore")
from pyrekordbox.masterdb import MasterDatabase
db = MasterDatabase(path=sys.argv[1] + "/master.db", db_dir=sys.argv[1])
def walk(parent, depth):
    rows = [p for p in db.get_playlist() if p.ParentID == parent and not p.rb_local_deleted]
    for p in sorted(rows, key=lambda p: p.Seq):
        print("  " * depth + p.Name)
        songs = [s for s in p.Songs if not s.rb_local_deleted]
        for s in sorted(songs, key=lambda s: s.TrackNo):
            print("  " * depth + "- " + s.Content.Title + " / " + s.Content.ArtistName)
        if p.Attribute == 4:
            for title in sorted(c.Title for c in db.get_playlist_contents(p)):
                print("  " * depth + "= " + title)
        walk(p.ID, depth + 1)
walk("root", 0)
for c in sorted((c for c in db.get_content() if not c.rb_local_deleted), key=lambda c: c.Title):
    tags = sorted(t.MyTag.Name for t in db.get_my_tag_songs(ContentID=c.ID) if not t.rb_local_deleted)
    print(c.Title, c.FolderPath, tags)
print("counter", db.get_local_usn())
db.close()
"#;

/// Whether there is an oracle; without one the test passes, unless it is demanded.
pub(crate) fn is_there() -> bool {
    let probe = Command::new("python3")
        .args(["-c", "import pyrekordbox, sqlcipher3"])
        .output();
    let there = probe.is_ok_and(|output| output.status.success());
    let demanded = std::env::var_os("TIDAL_CLEANUP_REQUIRE_ORACLE").is_some_and(|v| v == "1");
    assert!(
        there || !demanded,
        "python3 has no pyrekordbox and sqlcipher3"
    );
    there
}

#[expect(clippy::print_stderr, reason = "a test that checks nothing says so")]
fn say_that_it_is_missing() {
    eprintln!("not checked: python3 has no pyrekordbox and sqlcipher3");
}

pub(crate) fn ask(folder: &Path) -> String {
    let output = Command::new("python3")
        .args(["-c", SCRIPT])
        .arg(folder)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap().replace('\r', "")
}

/// The same of what we read.
pub(crate) fn told(collection: &Collection) -> String {
    let mut text = String::new();
    walk(collection, None, 0, &mut text);
    let mut contents: Vec<_> = collection.contents.values().collect();
    contents.sort_by_key(|content| &content.title);
    for content in contents {
        let tags = content
            .my_tags
            .iter()
            .map(|tag| &collection.my_tags[tag].name);
        let mut tags: Vec<String> = tags.map(|tag| format!("'{tag}'")).collect();
        tags.sort();
        let tags = tags.join(", ");
        text.push_str(&format!(
            "{} {} [{tags}]\n",
            content.title, content.folder_path
        ));
    }
    text + &format!("counter {}\n", collection.local_usn)
}

fn walk(
    collection: &Collection,
    parent: Option<&tidal_cleanup::domain::NodeId>,
    depth: usize,
    text: &mut String,
) {
    let mut nodes: Vec<_> = collection
        .nodes
        .values()
        .filter(|node| node.parent.as_ref() == parent)
        .collect();
    nodes.sort_by_key(|node| node.seq);
    let lead = "  ".repeat(depth);
    for node in nodes {
        text.push_str(&format!("{lead}{}\n", node.name));
        for entry in &node.entries {
            let content = &collection.contents[&entry.content];
            let artist = content.artist.as_deref().unwrap_or_default();
            text.push_str(&format!("{lead}- {} / {artist}\n", content.title));
        }
        if node.kind == NodeKind::Smart {
            let wanted: Vec<_> = collection
                .my_tags
                .values()
                .filter(|tag| {
                    let id: u32 = tag.id.as_str().parse().unwrap_or(0);
                    let value = format!("ValueLeft=\"{}\"", id.cast_signed());
                    node.smart
                        .as_ref()
                        .is_some_and(|smart| smart.contains(&value))
                })
                .map(|tag| &tag.id)
                .collect();
            let mut titles: Vec<&str> = collection
                .contents
                .values()
                .filter(|content| wanted.iter().all(|tag| content.my_tags.contains(tag)))
                .map(|content| content.title.as_str())
                .collect();
            titles.sort_unstable();
            for title in titles {
                text.push_str(&format!("{lead}= {title}\n"));
            }
        }
        walk(collection, Some(&node.id), depth + 1, text);
    }
}

#[tokio::test]
async fn pyrekordbox_sees_what_we_see() {
    if !is_there() {
        say_that_it_is_missing();
        return;
    }
    for schema in [RekordboxSchema::V6, RekordboxSchema::V7] {
        let mut world = World::new(&small(schema)).await;
        assert_eq!(ask(world.folder.path()), told(&world.collection().await));
        let collection = world.collection().await;
        let zero = content(&collection, "Track 0");
        let staged = world
            .apply(&[
                Edit::AddContent(Box::new(track(10))),
                Edit::CreateNode {
                    name: "TIDAL 🎉".to_owned(),
                    kind: NodeKind::Folder,
                    parent: Parent::Root,
                    smart: Vec::new(),
                },
                Edit::CreateNode {
                    name: "Mix".to_owned(),
                    kind: NodeKind::List,
                    parent: Parent::Node(NodeRef::Staged(1)),
                    smart: Vec::new(),
                },
                Edit::SetEntries {
                    node: NodeRef::Staged(2),
                    contents: vec![
                        ContentRef::Staged(0),
                        ContentRef::Id(zero.clone()),
                        ContentRef::Staged(0),
                    ],
                },
                Edit::CreateTag {
                    group: "Situation".to_owned(),
                    name: "Peak time".to_owned(),
                },
                Edit::SetTags {
                    content: ContentRef::Staged(0),
                    add: vec![TagRef::Staged(4)],
                    remove: Vec::new(),
                },
                Edit::CreateNode {
                    name: "Peak time only".to_owned(),
                    kind: NodeKind::Smart,
                    parent: Parent::Node(NodeRef::Staged(1)),
                    smart: vec![TagRef::Staged(4)],
                },
                Edit::UpdateNode {
                    id: node(&collection, "Warm up"),
                    name: None,
                    parent: Some(Parent::Node(NodeRef::Staged(1))),
                },
                Edit::RemoveNode {
                    id: node(&collection, "Peak"),
                },
            ])
            .await;
        let seen = ask(world.folder.path());
        assert_eq!(seen, told(&world.collection().await));
        assert!(seen.contains("= Track 10"), "{seen}");
        world.undo(&staged).await;
        assert_eq!(ask(world.folder.path()), told(&world.collection().await));
    }
}
