//! The first user's emoji language, from the older tool's mapping to the rows of Rekordbox.
#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use std::{collections::BTreeSet, fs};

use tidal_cleanup::domain::{NodeKind, RekordboxSchema};

use crate::harness::{Setup, Snapshot, World, collection};

/// As many as that user has: 28 genres, 4 energies, 5 statuses, 3 parties.
const GENRES: [&str; 28] = [
    "🏃", "🥊", "🪇", "🤖", "🌀", "🪘", "🧘", "🎧", "🌃", "🧱", "🌚", "🎭", "🏢", "🐋", "⚡", "🎹",
    "🎈", "🪩", "🕺", "🎷", "🐌", "📺", "🌴", "🚀", "🍀", "🐙", "🦊", "🇮🇹",
];

fn mapping() -> String {
    let genres = GENRES.iter().enumerate();
    let genres: Vec<String> = genres
        .map(|(number, emoji)| format!("\"{emoji}\": \"Genre {number}\""))
        .collect();
    format!(
        r#"{{ "emoji_to_mytag_mapping": {{
            "Genre": {{ {} }},
            "Energy": {{ "⬆️": "High", "↗️": "Up", "➡️": "Medium", "↘️": "Low" }},
            "Status": {{ "💾": "Archived", "❓": "Recherche", "👵🏻": "Old", "💿": "Discogs", "📀": "Discogs" }},
            "Party": {{ "🎉": "Partys", "🎶": "Sets", "🎙️": "Radio Moafunk" }} }},
          "folder_structure": {{ "genre_root": "Genre", "genre_uncategorized": "Uncategorized",
            "genre_default_status": "Archived",
            "genre_categories": {{ "House": ["Genre 27", "Genre 0"] }},
            "events_root": "Events", "events_misc": "Misc" }},
          "no_genre_tag": {{ "group": "Genre", "value": "NoGenre" }} }}"#,
        genres.join(",")
    )
}

/// The MyTags of a track, as `Group: Tag`.
fn tags(world: &World, title: &str) -> BTreeSet<String> {
    let collection = world.collection();
    let mut contents = collection.contents.values();
    let content = contents.find(|content| content.title == title).unwrap();
    let name = |id| {
        let tag = &collection.my_tags[id];
        let group = &collection.my_tags[tag.group.as_ref().unwrap()];
        format!("{}: {}", group.name, tag.name)
    };
    content.my_tags.iter().map(name).collect()
}

fn set(tags: &[&str]) -> BTreeSet<String> {
    tags.iter().map(|tag| (*tag).to_owned()).collect()
}

#[test]
fn the_first_users_mapping_becomes_tags_folders_and_events() {
    let world = World::new(Setup {
        rekordbox: Some(RekordboxSchema::V7),
        ..Setup::default()
    });
    fs::write(world.path("mapping.json"), mapping()).unwrap();
    let language = world.expect(0, &["policy", "import", "mapping.json"]).out;
    let bold = "[safety]\nmax_remove = { count = 50, percent = 100 }\n\
                max_remove_per_playlist = { percent = 100, min = 10 }\n";
    world.write_policy(&format!("{bold}{language}"));
    world.expect(0, &["policy", "check"]);
    let folder = world.path("rekordbox");
    // The DJ's four groups have other names; the plan says so, and the DJ renames three.
    let snapshot = Snapshot::new()
        .list('a', "Italo 🇮🇹⬆️👵🏻", "0 1")
        .list('b', "Both 🇮🇹🏢", "1 2")
        .list('c', "No genre ↘️", "3")
        .list('d', "Sommerfest 2019 🎉⬆️", "0 4");
    world.tidal(&snapshot);
    let plan = world.plan(3);
    assert!(
        plan.body
            .held
            .iter()
            .any(|held| held.gate == "mytag.groups")
    );
    let rename = "UPDATE djmdMyTag SET Name = 'Energy' WHERE ID = '2'; \
                  UPDATE djmdMyTag SET Name = 'Status' WHERE ID = '3'; \
                  UPDATE djmdMyTag SET Name = 'Party' WHERE ID = '4';";
    collection::sql(&folder, rename);
    let before = world.rows();
    world.sync();
    world.assert_settled();
    world.assert_xml_names_every_list();

    // The union over its lists; a status where none is named; one tag for an event.
    let event = "Party: Partys: Sommerfest 2019";
    let (italo, archived) = ("Genre: Genre 27", "Status: Archived");
    assert_eq!(
        tags(&world, "Title 0"),
        set(&[italo, "Energy: High", "Status: Old", archived, event])
    );
    assert_eq!(
        tags(&world, "Title 1"),
        set(&[
            italo,
            "Genre: Genre 12",
            "Energy: High",
            "Status: Old",
            archived
        ])
    );
    assert_eq!(
        tags(&world, "Title 2"),
        set(&[italo, "Genre: Genre 12", archived])
    );
    assert_eq!(
        tags(&world, "Title 3"),
        set(&["Genre: NoGenre", "Energy: Low", archived])
    );
    assert_eq!(
        tags(&world, "Title 4"),
        set(&["Genre: NoGenre", "Energy: High", archived, event])
    );
    let now = world.collection();
    let path = |name: &str| {
        let node = now.nodes.values().find(|node| node.name.starts_with(name));
        let node = node.unwrap();
        let (mut path, mut at) = (Vec::new(), node.parent.as_ref());
        while let Some(id) = at {
            path.insert(0, now.nodes[id].name.clone());
            at = now.nodes[id].parent.as_ref();
        }
        (path.join("/"), node.kind)
    };
    assert_eq!(
        path("Italo"),
        ("TIDAL/Genre/House/Old".to_owned(), NodeKind::List)
    );
    assert_eq!(
        path("Both"),
        ("TIDAL/Genre/House/Archived".to_owned(), NodeKind::List)
    );
    assert_eq!(
        path("No genre"),
        (
            "TIDAL/Genre/Uncategorized/Archived".to_owned(),
            NodeKind::List
        )
    );
    assert_eq!(
        path("Sommerfest"),
        ("TIDAL/Events/Partys/2019".to_owned(), NodeKind::Smart)
    );

    let first = world.rows();
    let undone = world.expect(0, &["undo", "--yes"]);
    assert!(!undone.out.contains("held back"), "{}", undone.out);
    collection::assert_same(&world.rows(), &before);
    world.sync();
    world.assert_settled();
    assert_eq!(
        world.rows()["djmdSongMyTag"].len(),
        first["djmdSongMyTag"].len()
    );
    world.sync_with(
        &Snapshot::new()
            .list('a', "Italo 🇮🇹⬆️👵🏻", "1")
            .list('b', "Both 🇮🇹🏢", "1 2")
            .list('c', "No genre ↘️", "3")
            .list('d', "Sommerfest 2019 🎉⬆️", "0 4"),
    );
    assert_eq!(
        tags(&world, "Title 0"),
        set(&["Genre: NoGenre", "Energy: High", archived, event]),
        "only what no other list gives"
    );
    world.assert_settled();
}
