//! Changing a Rekordbox library: every edit, its rows, and its way back.

use std::collections::BTreeSet;

use tidal_cleanup::{
    domain::{Collection, ContentId, MyTagId, NodeId, NodeKind, RekordboxSchema},
    edge::rekordbox::{
        ContentFile, ContentRef, Edit, IdSource, MemoryRekordbox, NewContentRow, NodeRef, Parent,
        Probe, RekordboxError, RekordboxLibrary as _, RekordboxReader as _, RowEdits, TagRef,
        fixture::NewLibrary,
    },
};

use crate::rekordbox::{World, content, node, now, rows, small, titles, track};

fn id(id: &ContentId) -> ContentRef {
    ContentRef::Id(id.clone())
}

/// One of every edit, against [`small`].
fn every_edit(collection: &Collection) -> Vec<Edit> {
    let content = |number: u32| content(collection, &format!("Track {number}"));
    let house = collection.tag("Genre", "House").map(|tag| tag.id.clone());
    let house = TagRef::Id(house.unwrap_or_else(|| MyTagId::from("missing")));
    vec![
        Edit::AddContent(Box::new(track(10))),
        Edit::AddContent(Box::new(NewContentRow {
            artist: Some("Somebody new".to_owned()),
            ..track(11)
        })),
        Edit::CreateNode {
            name: "TIDAL 🎉".to_owned(),
            kind: NodeKind::Folder,
            parent: Parent::Root,
            smart: Vec::new(),
        },
        Edit::CreateNode {
            name: "House".to_owned(),
            kind: NodeKind::List,
            parent: Parent::Node(NodeRef::Staged(2)),
            smart: Vec::new(),
        },
        Edit::CreateTag {
            group: "Situation".to_owned(),
            name: "Peak time".to_owned(),
        },
        Edit::CreateNode {
            name: "Peak house".to_owned(),
            kind: NodeKind::Smart,
            parent: Parent::Node(NodeRef::Staged(2)),
            smart: vec![TagRef::Staged(4), house.clone()],
        },
        Edit::SetEntries {
            node: NodeRef::Staged(3),
            contents: vec![
                ContentRef::Staged(1),
                id(&content(0)),
                ContentRef::Staged(0),
                id(&content(0)),
            ],
        },
        Edit::SetTags {
            content: ContentRef::Staged(0),
            add: vec![TagRef::Staged(4), house],
            remove: Vec::new(),
        },
        Edit::Relocate {
            content: content(1),
            file: ContentFile {
                path: "/Music/Elsewhere/Track 1.mp3".into(),
                size: 7,
                file_id: 8,
            },
        },
        Edit::UpdateContent {
            content: content(2),
            title: Some("Track Two".to_owned()),
            artist: Some("Somebody new".to_owned()),
            album: None,
            year: Some(1999),
        },
        Edit::SetEntries {
            node: NodeRef::Id(node(collection, "Warm up")),
            contents: vec![id(&content(1)), ContentRef::Staged(0), id(&content(1))],
        },
        Edit::UpdateNode {
            id: node(collection, "Warm up"),
            name: Some("Warm-up".to_owned()),
            parent: Some(Parent::Node(NodeRef::Staged(2))),
        },
        Edit::RemoveNode {
            id: node(collection, "Peak"),
        },
    ]
}

#[tokio::test]
async fn every_edit_is_written_and_taken_back() {
    for (schema, synced) in [
        (RekordboxSchema::V6, false),
        (RekordboxSchema::V7, false),
        (RekordboxSchema::V7, true),
    ] {
        let library = NewLibrary {
            synced,
            ..small(schema)
        };
        let mut world = World::new(&library).await;
        let before = world.dump().await;
        let edits = every_edit(&world.collection().await);
        let staged = world.apply(&edits).await;
        let after = world.collection().await;
        assert_eq!(
            titles(&after, "House"),
            ["Track 11", "Track 0", "Track 10", "Track 0"]
        );
        assert_eq!(
            titles(&after, "Warm-up"),
            ["Track 1", "Track 10", "Track 1"]
        );
        let folder = node(&after, "TIDAL 🎉");
        for name in ["House", "Peak house", "Warm-up"] {
            assert_eq!(
                after.nodes[&node(&after, name)].parent.as_ref(),
                Some(&folder)
            );
        }
        assert!(!after.nodes.values().any(|node| node.name == "Peak"));
        let added = &after.contents[&content(&after, "Track 10")];
        assert_eq!(added.my_tags.len(), 2);
        let moved = &after.contents[&content(&after, "Track 1")];
        assert_eq!(moved.folder_path, "/Music/Elsewhere/Track 1.mp3");
        assert_eq!((moved.file_type, moved.hot_cues), (1, 1));
        let changed = &after.contents[&content(&after, "Track Two")];
        assert_eq!(changed.artist.as_deref(), Some("Somebody new"));
        assert_eq!(changed.year, Some(1999));

        let undone = world.undo(&staged).await;
        assert_eq!(world.dump().await, before, "{schema:?} {synced}");
        world.undo(&undone).await;
        let again = world.collection().await;
        assert_eq!(
            Collection {
                local_usn: 0,
                ..again
            },
            Collection {
                local_usn: 0,
                ..after
            }
        );
    }
}

#[tokio::test]
async fn memory_and_disk_agree() {
    let mut world = World::small().await;
    let collection = world.collection().await;
    let mut memory = MemoryRekordbox::new(&collection, IdSource::seeded(42));
    assert_eq!(memory.collection(), collection);
    let edits = every_edit(&collection);
    let staged = memory.stage(&edits, now()).await.unwrap();
    let all = RowEdits(
        staged
            .iter()
            .flat_map(|staged| staged.rows.0.clone())
            .collect(),
    );
    assert_eq!(memory.probe(&all).await.unwrap(), Probe::Before);
    memory.commit(&rows(&staged), now()).await.unwrap();
    assert_eq!(memory.probe(&all).await.unwrap(), Probe::After);
    let on_disk = world.apply(&edits).await;
    for (in_memory, on_disk) in staged.iter().zip(&on_disk) {
        assert_eq!(in_memory.node.is_some(), on_disk.node.is_some());
        assert_eq!(in_memory.content.is_some(), on_disk.content.is_some());
        assert_eq!(in_memory.tag.is_some(), on_disk.tag.is_some());
        assert_eq!(in_memory.links.len(), on_disk.links.len());
    }
    let (memory_now, disk_now) = (memory.collection(), world.collection().await);
    assert_eq!(memory_now.local_usn, disk_now.local_usn);
    assert_eq!(shape(&memory_now), shape(&disk_now));
    let reversed = staged.iter().rev();
    let back: Vec<Edit> = reversed.map(|s| Edit::Restore(s.rows.reversed())).collect();
    let back = memory.stage(&back, now()).await.unwrap();
    memory.commit(&rows(&back), now()).await.unwrap();
    let local_usn = collection.local_usn;
    assert_eq!(
        Collection {
            local_usn,
            ..memory.collection()
        },
        collection
    );
}

/// Names instead of ids.
fn shape(collection: &Collection) -> BTreeSet<String> {
    let nodes = collection.nodes.values().map(|node| {
        let parent = node
            .parent
            .as_ref()
            .map(|parent| &collection.nodes[parent].name);
        format!(
            "{parent:?} {} {:?} {} {:?}",
            node.name,
            node.kind,
            node.seq,
            titles(collection, &node.name)
        )
    });
    let contents = collection.contents.values().map(|content| {
        let tags: Vec<&str> = content
            .my_tags
            .iter()
            .map(|tag| collection.my_tags[tag].name.as_str())
            .collect();
        let tags: BTreeSet<&str> = tags.into_iter().collect();
        format!(
            "{} {:?} {:?} {tags:?}",
            content.folder_path, content.artist, content.stock_date
        )
    });
    nodes.chain(contents).collect()
}

#[tokio::test]
async fn a_new_track_gets_the_full_row() {
    let mut world = World::small().await;
    let staged = world.apply(&[Edit::AddContent(Box::new(track(10)))]).await;
    let id = staged[0].content.clone().unwrap();
    let dump = world.dump().await;
    let row = &dump[&("djmdContent".to_owned(), id.to_string())];
    let mut shown: Vec<String> = row
        .iter()
        .filter(|(column, value)| {
            *value != "NULL" && !column.ends_with("ID") && *column != "created_at"
        })
        .map(|(column, value)| format!("{column} {value}"))
        .collect();
    shown.sort();
    insta::assert_snapshot!(shown.join("\n"), @r"
    Analysed 0
    AnalysisDataPath ''
    BPM 0
    BitDepth 16
    BitRate 950
    Commnt 'from TIDAL'
    ContentLink 14
    DJPlayCount 0
    DateCreated '2024-05-06'
    DeliveryComment ''
    DeliveryControl 'on'
    DiscNo 0
    ExtInfo 'null'
    FileNameL 'Track 10.flac'
    FileNameS ''
    FileSize 30000010
    FileType 5
    FolderPath '/Music/Lists/Track 10.flac'
    HotCueAutoLoad 'on'
    ISRC 'GBXXX2400010'
    ImagePath ''
    Length 360
    LyricStatus 0
    Lyricist ''
    ModifiedByRBM ''
    OrgFolderPath ''
    Rating 0
    ReleaseDate ''
    ReleaseYear 2024
    SampleRate 44100
    SamplerGain 0.0
    SamplerPlayOffset 0
    SamplerTrackInfo 0
    StockDate '2026-11-22'
    Subtitle ''
    Title 'Track 10'
    TrackNo 0
    VideoAssociate '0'
    rb_data_status 0
    rb_file_id '5000000010'
    rb_local_data_status 0
    rb_local_deleted 0
    rb_local_synced 0
    ");
    assert_eq!(row["MasterSongID"], row["ID"]);
    assert_eq!(row["created_at"], "'2026-11-22 10:36:00.432 +00:00'");
    assert!(id.as_str().parse::<u32>().unwrap() < 1 << 28);
    // Artist, album and genre were there.
    assert_eq!(staged[0].rows.0.len(), 1);
}

#[tokio::test]
async fn numbers_follow_the_actions() {
    let mut world = World::small().await;
    let collection = world.collection().await;
    let start = collection.local_usn;
    let list = node(&collection, "Warm up");
    let zero = content(&collection, "Track 0");
    let usn = |staged: &[tidal_cleanup::edge::rekordbox::Staged]| -> Vec<Vec<i64>> {
        let of = |rows: &RowEdits| {
            let images = rows.0.iter().filter_map(|edit| edit.after.as_ref());
            images
                .map(|image| image["rb_local_usn"].as_i64().unwrap() - start)
                .collect()
        };
        staged.iter().map(|staged| of(&staged.rows)).collect()
    };
    let new_artist = NewContentRow {
        artist: Some("New".to_owned()),
        album: Some("New".to_owned()),
        genre: Some("New".to_owned()),
        ..track(10)
    };
    let staged = world
        .apply(&[
            Edit::AddContent(Box::new(new_artist)),
            Edit::CreateNode {
                name: "New".to_owned(),
                kind: NodeKind::List,
                parent: Parent::Root,
                smart: Vec::new(),
            },
            // Four entries become: the third, then three new ones.
            Edit::SetEntries {
                node: NodeRef::Id(list),
                contents: vec![
                    id(&content(&collection, "Track 2")),
                    id(&zero),
                    ContentRef::Staged(0),
                    ContentRef::Staged(0),
                ],
            },
        ])
        .await;
    // Artist, album, genre, track; the list keeps the number of its naming; of the entries the two
    // that move share a number, as do the two new ones, and the removal has taken one in between.
    assert_eq!(
        usn(&staged),
        [vec![1, 2, 3, 4], vec![7, 6], vec![9, 9, 10, 10]]
    );
    let counter = "SELECT int_1 FROM agentRegistry WHERE registry_id = 'localUpdateCount'";
    assert_eq!(world.number(counter).await, start + 10);
    assert_eq!(world.collection().await.local_usn, start + 10);
}

#[tokio::test]
async fn rows_of_entries_that_stay_are_kept() {
    let mut world = World::small().await;
    let before = world.collection().await;
    let list = node(&before, "Warm up");
    let old = before.nodes[&list].entries.clone();
    let wanted = [1, 2, 3, 0].map(|index: usize| id(&old[index].content));
    let edit = Edit::SetEntries {
        node: NodeRef::Id(list.clone()),
        contents: wanted.to_vec(),
    };
    let staged = world.apply(std::slice::from_ref(&edit)).await;
    let new = &world.collection().await.nodes[&list].entries;
    let ids = |entries: &[tidal_cleanup::domain::CollectionEntry]| -> BTreeSet<String> {
        entries.iter().map(|entry| entry.id.to_string()).collect()
    };
    assert_eq!(ids(new), ids(&old));
    assert!(staged[0].rows.0.iter().all(|edit| edit.before.is_some()));
    // Nothing to do is nothing done.
    let again = world.stage(&[edit]).await;
    assert!(again[0].rows.0.is_empty());
    assert_eq!(again[0].node, Some(list));
}

#[tokio::test]
async fn synced_rows_become_tombstones_and_dirty() {
    let library = NewLibrary {
        synced: true,
        ..small(RekordboxSchema::V7)
    };
    let mut world = World::new(&library).await;
    let collection = world.collection().await;
    world
        .apply(&[
            Edit::UpdateNode {
                id: node(&collection, "Warm up"),
                name: Some("Warm-up".to_owned()),
                parent: None,
            },
            Edit::RemoveNode {
                id: node(&collection, "Peak"),
            },
        ])
        .await;
    let renamed = "SELECT rb_data_status FROM djmdPlaylist WHERE Name = 'Warm-up'";
    assert_eq!(world.number(renamed).await, 257);
    let removed = "SELECT count(*) FROM djmdPlaylist p JOIN djmdSongPlaylist s \
                   ON s.PlaylistID = p.ID JOIN djmdCloudFilterPlaylist f ON f.PlaylistUUID = p.UUID \
                   WHERE p.Name = 'Peak' AND p.rb_data_status = 258 AND p.rb_local_deleted = 1 \
                   AND s.rb_data_status = 258 AND s.rb_local_deleted = 1 \
                   AND f.rb_data_status = 258 AND f.rb_local_deleted = 1";
    assert_eq!(world.number(removed).await, 1);
}

#[tokio::test]
async fn a_removed_node_takes_its_rows_and_touches_no_sibling() {
    let mut world = World::small().await;
    let collection = world.collection().await;
    let sets = node(&collection, "Sets");
    world
        .apply(&[
            Edit::RemoveNode {
                id: node(&collection, "Warm up"),
            },
            Edit::RemoveNode {
                id: node(&collection, "Peak"),
            },
            Edit::RemoveNode { id: sets },
        ])
        .await;
    let left = world.collection().await;
    assert_eq!(left.nodes.len(), 1);
    let mornings = node(&left, "Mornings");
    assert_eq!(left.nodes[&mornings], collection.nodes[&mornings]);
    assert_eq!(
        world.number("SELECT count(*) FROM djmdSongPlaylist").await,
        0
    );
    let filters = "SELECT count(*) FROM djmdCloudFilterPlaylist";
    assert_eq!(world.number(filters).await, 1);
}

#[tokio::test]
async fn smart_playlists_name_their_tags_in_32_bits() {
    let mut world = World::small().await;
    let tag = world
        .collection()
        .await
        .tag("Genre", "House")
        .unwrap()
        .id
        .clone();
    let staged = world
        .apply(&[Edit::CreateNode {
            name: "All house".to_owned(),
            kind: NodeKind::Smart,
            parent: Parent::Root,
            smart: vec![TagRef::Id(tag.clone())],
        }])
        .await;
    let id = staged[0].node.clone().unwrap();
    let i32 = |id: &str| id.parse::<u32>().unwrap().cast_signed();
    let smart = world.collection().await.nodes[&id].smart.clone().unwrap();
    assert_eq!(
        smart,
        format!(
            "<NODE Id=\"{}\" LogicalOperator=\"1\" AutomaticUpdate=\"0\"><CONDITION \
             PropertyName=\"myTag\" Operator=\"8\" ValueUnit=\"\" ValueLeft=\"{}\" \
             ValueRight=\"\"/></NODE>",
            i32(id.as_str()),
            i32(tag.as_str())
        )
    );
}

#[tokio::test]
async fn a_tag_is_made_in_a_group_that_is_there_or_vacant() {
    let library = NewLibrary {
        groups: vec![
            "Genre".to_owned(),
            "Situation".to_owned(),
            "Mood".to_owned(),
        ],
        ..small(RekordboxSchema::V7)
    };
    let mut world = World::new(&library).await;
    let tag = |group: &str| Edit::CreateTag {
        group: group.to_owned(),
        name: "New".to_owned(),
    };
    let staged = world
        .apply(&[tag("Energy"), tag("Energy"), tag("Genre")])
        .await;
    assert_eq!(staged[0].tag, staged[1].tag);
    assert!(staged[1].rows.0.is_empty());
    let collection = world.collection().await;
    let group = collection.tag("Energy", "New").unwrap().group.clone();
    assert_eq!(group, Some(MyTagId::from("4")));
    assert_eq!(collection.tag("Genre", "New").unwrap().seq, 2);
    assert!(matches!(
        world.refused(tag("A fifth")).await,
        RekordboxError::Invalid(_)
    ));
}

#[tokio::test]
async fn links_are_made_once_and_removed_by_their_row() {
    let mut world = World::small().await;
    let collection = world.collection().await;
    let zero = content(&collection, "Track 0");
    let tag = collection.tag("Genre", "House").unwrap().id.clone();
    let twice = Edit::SetTags {
        content: id(&zero),
        add: vec![TagRef::Id(tag.clone()), TagRef::Id(tag.clone())],
        remove: Vec::new(),
    };
    assert!(world.stage(&[twice]).await[0].rows.0.is_empty());
    let link = world
        .text("SELECT ID FROM djmdSongMyTag ORDER BY ContentID LIMIT 1")
        .await;
    let of = world
        .text("SELECT ContentID FROM djmdSongMyTag ORDER BY ContentID LIMIT 1")
        .await;
    let remove = |content: &str| Edit::SetTags {
        content: ContentRef::Id(ContentId::from(content)),
        add: Vec::new(),
        remove: vec![link.clone()],
    };
    let other = collection
        .contents
        .keys()
        .find(|id| id.as_str() != of)
        .unwrap();
    let error = world.refused(remove(other.as_str())).await;
    assert!(matches!(error, RekordboxError::Invalid(_)));
    world.apply(&[remove(&of)]).await;
    let after = world.collection().await;
    assert!(
        after.contents[&ContentId::from(of.as_str())]
            .my_tags
            .is_empty()
    );
    assert!(world.stage(&[remove(&of)]).await[0].rows.0.is_empty());
}

#[tokio::test]
async fn senseless_edits_are_refused() {
    let mut world = World::small().await;
    let collection = world.collection().await;
    let at = |name: &str| node(&collection, name);
    let zero = content(&collection, "Track 0");
    let list = |node: NodeId, contents: Vec<ContentRef>| Edit::SetEntries {
        node: NodeRef::Id(node),
        contents,
    };
    let create = |name: &str, kind, parent, smart| Edit::CreateNode {
        name: name.to_owned(),
        kind,
        parent,
        smart,
    };
    let relocate = |path: &str| Edit::Relocate {
        content: zero.clone(),
        file: ContentFile {
            path: path.into(),
            size: 1,
            file_id: 1,
        },
    };
    let into = |id: NodeId, parent: NodeId| Edit::UpdateNode {
        id,
        name: None,
        parent: Some(Parent::Node(NodeRef::Id(parent))),
    };
    let opus = NewContentRow {
        format: Some(tidal_cleanup::domain::AudioFormat::Opus),
        ..track(10)
    };
    for (edit, why) in [
        (Edit::AddContent(Box::new(track(1))), "there already"),
        (Edit::AddContent(Box::new(opus)), "not playable"),
        (
            relocate("/Music/Lists/Track 1.flac"),
            "another track's file",
        ),
        (relocate("relative.flac"), "relative"),
        (relocate("/Music/../x.flac"), "through .."),
        (list(at("Sets"), vec![]), "a folder"),
        (list(at("Mornings"), vec![]), "a smart playlist"),
        (list(NodeId::from("1"), vec![]), "no playlist"),
        (
            list(at("Peak"), vec![ContentRef::Id("1".into())]),
            "no track",
        ),
        (
            list(at("Peak"), vec![ContentRef::Staged(0)]),
            "no such edit",
        ),
        (into(at("Sets"), at("Sets")), "itself"),
        (into(at("Peak"), at("Warm up")), "not a folder"),
        (Edit::RemoveNode { id: at("Sets") }, "not empty"),
        (create("", NodeKind::List, Parent::Root, vec![]), "no name"),
        (
            create("x", NodeKind::Smart, Parent::Root, vec![]),
            "no tags",
        ),
        (
            create("x", NodeKind::Special, Parent::Root, vec![]),
            "special",
        ),
        (
            create("x", NodeKind::List, Parent::Root, vec![TagRef::Staged(0)]),
            "a list with conditions",
        ),
        (
            create(
                "x",
                NodeKind::Smart,
                Parent::Root,
                vec![TagRef::Id("1".into())],
            ),
            "a group is no tag",
        ),
    ] {
        let error = world.refused(edit).await;
        assert!(
            matches!(error, RekordboxError::Invalid(_)),
            "{why}: {error}"
        );
    }
}

#[tokio::test]
async fn a_folder_cannot_move_below_itself() {
    let mut world = World::small().await;
    let sets = node(&world.collection().await, "Sets");
    let staged = world
        .apply(&[Edit::CreateNode {
            name: "Inner".to_owned(),
            kind: NodeKind::Folder,
            parent: Parent::Node(NodeRef::Id(sets.clone())),
            smart: Vec::new(),
        }])
        .await;
    let inner = staged[0].node.clone().unwrap();
    let edit = Edit::UpdateNode {
        id: sets,
        name: None,
        parent: Some(Parent::Node(NodeRef::Id(inner))),
    };
    assert!(matches!(
        world.refused(edit).await,
        RekordboxError::Invalid(_)
    ));
}
