//! Several rows of Rekordbox for one recording: merged as the policy says, asked where two have cues.
#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use std::fs;

use tidal_cleanup::{
    domain::{ContentId, NodeId},
    edge::rekordbox::{ContentFile, ContentRef, Edit, NewContentRow, NodeRef, TagRef},
    plan::{Plan, document::DecisionKind},
};

use crate::{
    harness::{Snapshot, World, collection, digits},
    rekordbox::track,
};

const MERGE: &str = "[rekordbox]\nduplicates = \"merge\"\n";
const MERGE_ALL: &str = "[rekordbox]\nduplicates = \"merge-all\"\n";

/// After a first apply. Then the DJ has track 1 a second time, from elsewhere, in the list `Mine` and
/// tagged by hand.
fn world() -> (World, ContentId, ContentId) {
    let world = World::usual();
    world.sync_with(&Snapshot::new().list('a', "House 🇮🇹", "0 1 2"));
    let ours = titled(&world, "Title 1");
    let row = NewContentRow {
        file: ContentFile {
            path: "/Music/Vinyl/Title 1.flac".into(),
            size: 1,
            file_id: 77,
        },
        title: "Title 1 (vinyl)".to_owned(),
        isrc: world.collection().contents[&ours]
            .isrc
            .clone()
            .map(String::from),
        length_s: 1,
        ..track(50)
    };
    let mine = node(&world, "Mine");
    let mut contents: Vec<ContentRef> = entries(&world, &mine)
        .into_iter()
        .map(ContentRef::Id)
        .collect();
    contents.insert(1, ContentRef::Id(ours.clone()));
    contents.insert(2, ContentRef::Staged(0));
    let edits = [
        Edit::AddContent(Box::new(row)),
        Edit::SetEntries {
            node: NodeRef::Id(mine),
            contents,
        },
        Edit::CreateTag {
            group: "Situation".to_owned(),
            name: "Sunrise".to_owned(),
        },
        Edit::SetTags {
            content: ContentRef::Id(ours.clone()),
            add: vec![TagRef::Staged(2)],
            remove: Vec::new(),
        },
    ];
    collection::edit(&world.path("rekordbox"), &edits);
    let theirs = titled(&world, "Title 1 (vinyl)");
    (world, ours, theirs)
}

/// The policy with this said of duplicates.
fn say(world: &World, duplicates: &str) {
    world.write_policy("");
    let path = world.path("tidal-cleanup.toml");
    let policy = fs::read_to_string(&path).unwrap();
    fs::write(path, policy.replace("[rekordbox]\n", duplicates)).unwrap();
}

fn titled(world: &World, title: &str) -> ContentId {
    let collection = world.collection();
    let mut contents = collection.contents.values();
    let content = contents.find(|content| content.title == title);
    content.unwrap().id.clone().unwrap()
}

fn node(world: &World, name: &str) -> NodeId {
    let collection = world.collection();
    let node = collection.nodes.values().find(|node| node.name == name);
    node.unwrap().id.clone()
}

fn entries(world: &World, list: &NodeId) -> Vec<ContentId> {
    let collection = world.collection();
    let entries = collection.nodes[list].entries.iter();
    entries.map(|entry| entry.content.clone()).collect()
}

/// Hot cues, as the DJ sets them.
fn cue(world: &World, content: &ContentId) {
    let sql = format!(
        "INSERT INTO djmdCue (ID, ContentID, InMsec, Kind, UUID, rb_local_usn, created_at, updated_at) \
         VALUES ('9{content}', '{content}', 1000, 1, 'c-{content}', 1, '2024-01-01 00:00:00.000 +00:00', \
         '2024-01-01 00:00:00.000 +00:00')"
    );
    collection::sql(&world.path("rekordbox"), &sql);
}

fn tags(world: &World, content: &ContentId) -> Vec<String> {
    let collection = world.collection();
    let tags = &collection.contents[content].my_tags;
    let mut names: Vec<String> = tags
        .iter()
        .map(|tag| collection.my_tags[tag].name.clone())
        .collect();
    names.sort();
    names
}

fn kinds(plan: &Plan) -> Vec<&'static str> {
    let actions = plan.body.actions.iter();
    let mut kinds: Vec<_> = actions.map(|action| action.effect.kind()).collect();
    kinds.dedup();
    kinds
}

/// Everything but what merging may write is as it was.
#[track_caller]
fn assert_nothing_is_lost(world: &World, before: &collection::Rows) {
    let after = world.rows();
    for table in [
        "djmdContent",
        "djmdCue",
        "djmdPlaylist",
        "djmdMyTag",
        "djmdSongHistory",
    ] {
        assert_eq!(after.get(table), before.get(table), "{table}");
    }
}

#[test]
fn by_default_every_row_stays() {
    let (world, ..) = world();
    world.assert_settled();
}

#[test]
fn in_our_lists_the_row_with_the_work_stands_for_both() {
    let (world, ours, theirs) = world();
    cue(&world, &theirs);
    let before = world.rows();
    say(&world, MERGE);
    let (house, mine) = (node(&world, "House 🇮🇹"), node(&world, "Mine"));
    let (list, djs) = (entries(&world, &house), entries(&world, &mine));
    let plan = world.plan(2);
    assert_eq!(kinds(&plan), ["rb.entries.set", "rb.mytag.set"]);
    let set = &plan.body.actions[0];
    assert_eq!(set.why.rule, "duplicates");
    assert!(set.why.evidence[0].contains(&format!("row {ours} → row {theirs} (1 hot cue)")));
    world.sync();
    world.assert_settled();
    let merged: Vec<_> = list
        .iter()
        .map(|row| if *row == ours { &theirs } else { row }.clone())
        .collect();
    assert_eq!(entries(&world, &house), merged, "at its place");
    assert_eq!(entries(&world, &mine), djs, "the DJ's list");
    assert_eq!(
        tags(&world, &theirs),
        ["House Italo", "Sunrise"],
        "the union"
    );
    assert_eq!(tags(&world, &ours), ["Sunrise"], "only ours went");
    assert_nothing_is_lost(&world, &before);
    let said = world.expect(0, &["plan", "-v"]);
    assert!(
        said.out.contains("by another row than our playlists"),
        "{}",
        said.out
    );

    // What TIDAL adds and takes out arrives all the same, and its tags with it.
    world.sync_with(
        &Snapshot::new()
            .list('a', "House 🇮🇹", "3 1 0")
            .list('b', "Run 🏃", "1"),
    );
    world.assert_settled();
    assert_eq!(entries(&world, &house)[1], theirs);
    assert_eq!(
        tags(&world, &theirs),
        ["House Italo", "House Progressive", "Sunrise"]
    );
    world.sync_with(
        &Snapshot::new()
            .list('a', "House 🇮🇹", "3 0")
            .list('b', "Run 🏃", "1"),
    );
    assert_eq!(tags(&world, &theirs), ["House Progressive", "Sunrise"]);
    // Its file stays, for the DJ's list has it.
    world.tidal(&Snapshot::new().list('a', "House 🇮🇹", "3 0"));
    let plan = world.plan(3);
    world.expect(0, &["apply", "plan.json", "--approve", digits(&plan)]);
    assert_eq!(tags(&world, &theirs), ["Sunrise"]);
    assert!(!entries(&world, &house).contains(&theirs));
}

#[test]
fn who_merges_no_longer_has_every_row_at_its_own_places() {
    let (world, ours, theirs) = world();
    cue(&world, &theirs);
    let house = node(&world, "House 🇮🇹");
    let (list, tagged) = (entries(&world, &house), tags(&world, &ours));
    say(&world, MERGE);
    world.sync();
    assert_eq!(entries(&world, &house)[1], theirs);
    say(&world, "[rekordbox]\n");
    world.sync();
    world.assert_settled();
    assert_eq!(entries(&world, &house), list, "and the other row is gone");
    assert_eq!(tags(&world, &ours), tagged);
    assert_eq!(tags(&world, &theirs), ["Sunrise"], "the DJ's goes to both");
}

#[test]
fn undo_gives_every_row_back() {
    let (world, _, theirs) = world();
    cue(&world, &theirs);
    let before = world.rows();
    say(&world, MERGE_ALL);
    world.sync();
    assert_ne!(world.rows(), before);
    world.expect(0, &["undo", "--yes"]);
    collection::assert_same(&world.rows(), &before);
}

#[test]
fn in_the_djs_lists_only_where_the_policy_says_all() {
    let (world, ours, theirs) = world();
    cue(&world, &theirs);
    say(&world, MERGE_ALL);
    let mine = node(&world, "Mine");
    let before = entries(&world, &mine);
    assert_eq!(before[1..3], [ours.clone(), theirs.clone()]);
    let plan = world.plan(2);
    assert!(
        kinds(&plan).contains(&"rb.entries.merge"),
        "{:?}",
        kinds(&plan)
    );
    world.sync();
    world.assert_settled();
    let mut merged = before;
    merged.remove(1);
    assert_eq!(entries(&world, &mine), merged, "not twice side by side");
    world.assert_xml_names_every_list();
}

#[test]
fn one_file_with_two_rows_is_linked_to_the_one_with_the_work() {
    let (world, ours, _) = world();
    let copy = format!(
        "CREATE TEMP TABLE copy AS SELECT * FROM djmdContent WHERE ID = '{ours}'; \
         UPDATE copy SET ID = '4711', UUID = 'b2b0a6ee-0000-4000-8000-000000004711', Title = 'Mine', \
         Rating = 4; INSERT INTO djmdContent SELECT * FROM copy; DROP TABLE copy;"
    );
    collection::sql(&world.path("rekordbox"), &copy);
    let theirs = ContentId::new("4711");
    say(&world, MERGE);
    world.sync();
    world.assert_settled();
    let house = node(&world, "House 🇮🇹");
    assert_eq!(entries(&world, &house)[1], theirs);
    assert_eq!(
        world.collection().contents[&theirs].title,
        "Mine",
        "not ours to rename"
    );
    // It follows the file.
    world.sync_with(&Snapshot::new().list('a', "Deep 🇮🇹", "0 1 2"));
    world.assert_settled();
    let path = &world.collection().contents[&theirs].folder_path;
    assert!(path.contains("/Deep"), "{path}");
}

#[test]
fn a_row_that_comes_into_our_lists_for_the_first_time_is_merged_at_once() {
    let world = World::usual();
    world.put("library/Artist 1 - Title 1.wav", "1", 1_000);
    let path = world.path("library/Artist 1 - Title 1.wav");
    let row = |title: &str, path: std::path::PathBuf| NewContentRow {
        file: ContentFile {
            path,
            size: 1,
            file_id: 77,
        },
        title: title.to_owned(),
        isrc: Some("USABC2600001".to_owned()),
        length_s: 1,
        ..track(50)
    };
    let edits = [
        Edit::AddContent(Box::new(row("File", path))),
        Edit::AddContent(Box::new(row("Vinyl", "/Music/Vinyl/Title 1.flac".into()))),
    ];
    collection::edit(&world.path("rekordbox"), &edits);
    let (file, vinyl) = (titled(&world, "File"), titled(&world, "Vinyl"));
    cue(&world, &vinyl);
    say(&world, MERGE);
    let plan = world.sync_with(&Snapshot::new().list('a', "House 🇮🇹", "1 2"));
    assert!(kinds(&plan).contains(&"state.adopt"), "{:?}", kinds(&plan));
    let house = node(&world, "House 🇮🇹");
    assert_eq!(entries(&world, &house)[0], vinyl, "and not {file}");
    assert_eq!(tags(&world, &vinyl), ["House Italo"]);
    assert!(tags(&world, &file).is_empty());
    world.assert_settled();
}

#[test]
fn where_two_have_cues_a_person_is_asked() {
    let (world, ours, theirs) = world();
    cue(&world, &ours);
    cue(&world, &theirs);
    say(&world, MERGE);
    let house = node(&world, "House 🇮🇹");
    let before = entries(&world, &house);
    let plan = world.plan(3);
    assert_eq!(plan.body.actions.len(), 0);
    let asked = &plan.body.decisions[0];
    assert_eq!(asked.kind, DecisionKind::Duplicate);
    assert!(
        asked
            .question
            .contains("2 have cues (same ISRC and length)"),
        "{}",
        asked.question
    );
    let option = asked
        .options
        .iter()
        .find(|it| it.row.as_ref() == Some(&theirs))
        .unwrap();
    assert!(option.label.contains("1 hot cue"), "{}", option.label);
    let listed = world.expect(0, &["decide"]);
    assert!(listed.out.contains("Title 1.flac"), "{}", listed.out);

    // They stay apart.
    world.expect(0, &["decide", &asked.id, "none"]);
    world.assert_settled();
    let file = fs::read_to_string(world.path("tidal-cleanup.decisions.toml")).unwrap();
    assert!(
        file.contains("[duplicate.\"") && file.contains("none = true"),
        "{file}"
    );
    fs::remove_file(world.path("tidal-cleanup.decisions.toml")).unwrap();

    // One stands for both.
    world.expect(0, &["decide", &asked.id, &option.key]);
    let plan = world.plan(2);
    assert_eq!(plan.body.decisions.len(), 0);
    world.expect(0, &["apply", "plan.json", "--approve", digits(&plan)]);
    world.assert_settled();
    assert_eq!(before[1], ours);
    assert_eq!(entries(&world, &house)[1], theirs);

    let text = file.replace("none = true", "keep = \"1\"");
    fs::write(world.path("tidal-cleanup.decisions.toml"), text).unwrap();
    let said = world.expect(1, &["plan"]);
    assert!(said.err.contains("is none of"), "{}", said.err);
}

#[test]
fn a_protected_policy_only_shows() {
    let (world, _, theirs) = world();
    cue(&world, &theirs);
    say(&world, &format!("{MERGE_ALL}write = false\n"));
    let before = world.rows();
    let plan = world.plan(0);
    let held: Vec<&str> = plan
        .body
        .held
        .iter()
        .map(|held| held.gate.as_str())
        .collect();
    assert!(held.contains(&"rekordbox.write"), "{held:?}");
    assert_eq!(plan.body.actions.len(), 0);
    collection::assert_same(&world.rows(), &before);
}

#[test]
fn what_tidal_tells_apart_stays_apart() {
    let world = World::usual();
    world.tidal(&Snapshot::new().list('a', "House", "0 1"));
    // One recording on two releases: TIDAL has two tracks with one ISRC.
    let path = world.path("tidal.json");
    let json = fs::read_to_string(&path).unwrap();
    let isrc = |number: u32| format!("USABC26{number:05}");
    assert!(json.contains(&isrc(1)), "{json}");
    fs::write(&path, json.replace(&isrc(1), &isrc(0))).unwrap();
    say(&world, MERGE_ALL);
    world.sync();
    world.assert_settled();
    assert_eq!(world.titles("House").unwrap().len(), 2);
}

#[test]
fn another_word_is_no_answer() {
    let world = World::usual();
    say(&world, "[rekordbox]\nduplicates = \"all\"\n");
    let said = world.expect(1, &["policy", "check"]);
    assert!(
        said.err.contains("merge-all") || said.out.contains("merge-all"),
        "{said:?}"
    );
}
