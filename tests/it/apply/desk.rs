//! Where plans are written by hand, as the planner would write them.

use std::collections::BTreeMap;

use tidal_cleanup::{
    domain::{
        ActionId, AudioFormat, Collection, ContentHash, ContentId, MediaPath, NodeId, NodeKind,
        PlaylistId, Provenance, State, Track, TrackId,
        state::{FileRole, FileRow, ObjectKey},
    },
    edge::local::LocalReader,
    plan::{
        Plan,
        canonical::{self, action_id, change_id, entries_hash},
        document::*,
    },
};

pub(crate) struct Desk<'a, L> {
    pub(crate) local: &'a L,
    pub(crate) state: &'a State,
    pub(crate) collection: &'a Collection,
    body: Body,
}

pub(crate) fn track(id: &str, title: &str) -> Track {
    Track {
        id: id.into(),
        title: title.to_owned(),
        version: None,
        artists: vec!["Kiasmos".to_owned()],
        album: Some("Swept".to_owned()),
        isrc: None,
        duration_s: Some(2),
        explicit: None,
        release_date: Some("2019-05-01".to_owned()),
        media_tags: Vec::new(),
        streamable: None,
    }
}

pub(crate) fn playlist(name: &str, entries: &[&str]) -> PlannedPlaylist {
    PlannedPlaylist {
        name: name.to_owned(),
        description: String::new(),
        folder: MediaPath::new(format!("Playlists/{name}")),
        rekordbox_name: name.to_owned(),
        rekordbox_folder: vec!["TIDAL".to_owned()],
        entries: entries.iter().map(|id| TrackId::from(*id)).collect(),
    }
}

impl<'a, L: LocalReader> Desk<'a, L> {
    pub(crate) fn new(
        local: &'a L,
        state: &'a State,
        collection: &'a Collection,
        tracks: &[Track],
        playlists: &[(&str, PlannedPlaylist)],
    ) -> Self {
        let hash = ContentHash::of(b"");
        let body = Body {
            mode: Mode::Normal,
            applyable: true,
            complete: true,
            base: Base {
                library_id: state.meta.library_id.clone(),
                lineage: state.meta.lineage.clone(),
                serial: state.meta.serial,
                schema_version: state.meta.schema_version,
            },
            inputs: Inputs {
                as_of: "2026-11-22".to_owned(),
                policy: PolicyInput {
                    path: "tidal-cleanup.toml".to_owned(),
                    sha256: hash,
                    settings: std::collections::BTreeMap::new(),
                },
                tidal: TidalInput {
                    snapshot: hash,
                    playlists: playlists.len(),
                    incomplete: Vec::new(),
                    unavailable_tracks: 0,
                },
                files: FilesInput {
                    scan: hash,
                    files: 0,
                    bytes: 0,
                },
                rekordbox: None,
            },
            playlists: playlists
                .iter()
                .map(|(id, planned)| (PlaylistId::from(*id), planned.clone()))
                .collect(),
            tracks: tracks.iter().map(|t| (t.id.clone(), t.clone())).collect(),
            changes: Vec::new(),
            actions: Vec::new(),
            decisions: Vec::new(),
            held: Vec::new(),
            drift: Vec::new(),
            checks: Vec::new(),
            summary: Summary::default(),
        };
        Self {
            local,
            state,
            collection,
            body,
        }
    }

    /// The plan, by way of its file.
    pub(crate) fn seal(mut self) -> Plan {
        let ids = self.body.actions.iter().map(|a| a.id.clone()).collect();
        self.body.changes.push(PlannedChange {
            id: change_id(ChangeKind::PlaylistAdded, &"p1".into(), None, None, 0),
            kind: ChangeKind::PlaylistAdded,
            playlist: "p1".into(),
            track: None,
            from: None,
            note: String::new(),
            actions: ids,
        });
        let plan = canonical::seal(self.body, PlanMeta::default());
        canonical::parse(canonical::to_json(&plan).as_bytes()).unwrap()
    }

    pub(crate) fn push(
        &mut self,
        effect: Effect,
        class: Class,
        about: &str,
        pre: Vec<Precondition>,
        depends_on: &[&ActionId],
    ) -> ActionId {
        let track = self.body.tracks.get(&TrackId::from(about));
        let subject = Subject {
            track: track.map(|track| track.id.clone()),
            label: track.map_or_else(|| about.to_owned(), Track::label),
        };
        let id = action_id(&effect, &subject);
        self.body.actions.push(Action {
            id: id.clone(),
            class,
            effect,
            subject,
            playlist: None,
            pre,
            why: Why::default(),
            risk: None,
            undo: Undo::ByteIdentical,
            depends_on: depends_on.iter().map(|id| (*id).clone()).collect(),
            estimate: Estimate::default(),
        });
        id
    }

    pub(crate) fn fetch(
        &mut self,
        id: &str,
        home: &str,
        convert_to: Option<AudioFormat>,
    ) -> ActionId {
        let stem = self.body.playlists[&PlaylistId::from(home)].folder.join(id);
        let after = Fetch {
            track: id.into(),
            stem: stem.clone(),
            convert_to,
            home: home.into(),
            same_as: None,
            instead_of: None,
        };
        let pre = vec![Precondition::VacantStem {
            stem: stem.clone(),
            but: None,
        }];
        let fetched = self.push(Effect::FileFetch { after }, Class::Additive, id, pre, &[]);
        let Some(format) = convert_to else {
            return fetched;
        };
        let after = Convert {
            track: id.into(),
            path: stem.with_appended_extension(format.extension()),
            format,
            quality: "320k".to_owned(),
            home: home.into(),
            same_as: None,
            instead_of: None,
        };
        let effect = Effect::FileConvert { after };
        self.push(effect, Class::Additive, id, Vec::new(), &[&fetched])
    }

    pub(crate) fn content(&mut self, id: &str, after: &ActionId) -> ActionId {
        let effect = Effect::ContentAdd {
            after: NewContent {
                track: id.into(),
                path: None,
            },
        };
        self.push(effect, Class::Additive, id, Vec::new(), &[after])
    }

    pub(crate) fn folder(&mut self, name: &str) -> ActionId {
        let after = NewNode {
            node: NodeKind::Folder,
            name: name.to_owned(),
            folder: Vec::new(),
            playlist: None,
            tags: Vec::new(),
        };
        let effect = Effect::NodeCreate { after };
        self.push(effect, Class::Additive, name, Vec::new(), &[])
    }

    pub(crate) fn list(&mut self, id: &str, after: &ActionId) -> ActionId {
        let planned = &self.body.playlists[&PlaylistId::from(id)];
        let node = NewNode {
            node: NodeKind::List,
            name: planned.rekordbox_name.clone(),
            folder: planned.rekordbox_folder.clone(),
            playlist: Some(id.into()),
            tags: Vec::new(),
        };
        let effect = Effect::NodeCreate { after: node };
        self.push(effect, Class::Additive, id, Vec::new(), &[after])
    }

    pub(crate) fn node(&self, id: &str) -> Option<NodeId> {
        let key = ObjectKey::Playlist(id.into());
        let row = self.state.object(&key)?;
        Some(NodeId::new(row.id.as_str()))
    }

    pub(crate) fn entries(&mut self, id: &str, class: Class, needs: &[&ActionId]) -> ActionId {
        let node = self.node(id).and_then(|id| self.collection.nodes.get(&id));
        let now: Vec<String> = node
            .iter()
            .flat_map(|node| node.entries.iter().map(|entry| entry.content.to_string()))
            .collect();
        let hashed = entries_hash(now.iter().map(String::as_str));
        let pre = node.map(|node| Precondition::Entries {
            id: node.id.clone(),
            count: now.len(),
            sha256: hashed,
        });
        let planned = &self.body.playlists[&PlaylistId::from(id)].entries;
        let effect = Effect::EntriesSet {
            before: Entries {
                keep: Vec::new(),
                order_is_the_djs: false,
                rows: BTreeMap::new(),
                playlist: id.into(),
                count: now.len(),
                sha256: hashed,
            },
            after: Entries {
                keep: Vec::new(),
                order_is_the_djs: false,
                rows: BTreeMap::new(),
                playlist: id.into(),
                count: planned.len(),
                sha256: entries_hash(planned.iter().map(TrackId::as_str)),
            },
        };
        self.push(effect, class, id, pre.into_iter().collect(), needs)
    }

    pub(crate) fn tag(&mut self, tag: &str) -> ActionId {
        let effect = Effect::MyTagCreate { after: genre(tag) };
        self.push(effect, Class::Additive, tag, Vec::new(), &[])
    }

    pub(crate) fn tags(
        &mut self,
        id: &str,
        gone: &[&str],
        come: &[&str],
        needs: &[&ActionId],
    ) -> ActionId {
        let set = |tags: &[&str]| TagSet {
            track: Some(id.into()),
            row: None,
            djs: false,
            tags: tags.iter().map(|tag| genre(tag)).collect(),
        };
        let effect = Effect::MyTagSet {
            before: set(gone),
            after: set(come),
        };
        self.push(effect, Class::Change, id, Vec::new(), needs)
    }

    pub(crate) fn update(&mut self, id: &str) -> ActionId {
        let row = &self.state.tracks[&TrackId::from(id)];
        let content = row.content.clone().unwrap();
        let now = &self.collection.contents[&content];
        let fields = |title: &str| ContentFields {
            content: content.clone(),
            track: id.into(),
            title: Some(title.to_owned()),
            artist: None,
            album: None,
            year: None,
        };
        let before = fields(&now.title);
        let after = fields(&self.body.tracks[&TrackId::from(id)].full_title());
        let pre = vec![Precondition::ContentFields {
            fields: before.clone(),
        }];
        let effect = Effect::ContentUpdate { before, after };
        self.push(effect, Class::Change, id, pre, &[])
    }

    fn file(&self, path: &MediaPath) -> Precondition {
        let stat = self.local.stat(path).unwrap().unwrap();
        Precondition::File {
            path: path.clone(),
            size: stat.size,
            mtime: stat.mtime,
            sha256: Some(self.local.hash(path).unwrap()),
        }
    }

    /// Moves a track's file and the row that points at it.
    pub(crate) fn place(&mut self, id: &str, to: &str, home: &str) -> (ActionId, ActionId) {
        let row = &self.state.tracks[&TrackId::from(id)];
        let from = row.file.clone().unwrap();
        let content: ContentId = row.content.clone().unwrap();
        let after = At {
            path: to.into(),
            home: Some(home.into()),
        };
        let effect = Effect::FilePlace {
            before: At {
                path: from.clone(),
                home: row.home.clone(),
            },
            after: after.clone(),
        };
        let pre = vec![self.file(&from), Precondition::Vacant { path: to.into() }];
        let placed = self.push(effect, Class::Move, id, pre, &[]);
        let effect = Effect::ContentRelocate {
            before: ContentAt {
                content: content.clone(),
                path: from.clone(),
                track: id.into(),
            },
            after,
        };
        let pre = vec![Precondition::Content {
            id: content,
            path: from,
        }];
        let relocated = self.push(effect, Class::Move, id, pre, &[&placed]);
        (placed, relocated)
    }

    /// Moves the playlist's own file to where its new name says, and writes it anew there.
    pub(crate) fn move_m3u8(&mut self, id: &str, old: &MediaPath, needs: &[&ActionId]) -> ActionId {
        let planned = &self.body.playlists[&PlaylistId::from(id)];
        let path = planned.folder.join(&format!("{}.m3u8", planned.name));
        let at = |path: &MediaPath| At {
            path: path.clone(),
            home: None,
        };
        let effect = Effect::FilePlace {
            before: at(old),
            after: at(&path),
        };
        let pre = vec![self.file(old), Precondition::Vacant { path: path.clone() }];
        let moved = self.push(effect, Class::Move, path.as_str(), pre, &[]);
        let effect = Effect::FileLink {
            before: self.state.files[old].hash.map(|sha256| Hashed { sha256 }),
            after: Link {
                form: LinkForm::M3u8,
                path: path.clone(),
                playlist: id.into(),
                of: None,
            },
        };
        let needs: Vec<&ActionId> = needs.iter().copied().chain([&moved]).collect();
        self.push(effect, Class::Change, path.as_str(), Vec::new(), &needs)
    }

    fn node_at(&self, id: &str) -> NodeAt {
        let node = self.node(id).unwrap();
        NodeAt {
            name: self.collection.nodes[&node].name.clone(),
            id: node,
            folder: vec!["TIDAL".to_owned()],
            playlist: Some(id.into()),
        }
    }

    pub(crate) fn rename_node(&mut self, id: &str) -> ActionId {
        let before = self.node_at(id);
        let name = self.body.playlists[&PlaylistId::from(id)]
            .rekordbox_name
            .clone();
        let after = NodeAt {
            name,
            ..before.clone()
        };
        let pre = vec![Precondition::Node {
            node: before.clone(),
        }];
        let effect = Effect::NodeUpdate { before, after };
        self.push(effect, Class::Move, id, pre, &[])
    }

    pub(crate) fn remove_node(&mut self, id: &str) -> ActionId {
        let before = self.node_at(id);
        let pre = vec![Precondition::Node {
            node: before.clone(),
        }];
        let effect = Effect::NodeRemove { before };
        self.push(effect, Class::Destructive, id, pre, &[])
    }

    pub(crate) fn trash(&mut self, path: &MediaPath, needs: &[&ActionId]) -> ActionId {
        let row: &FileRow = &self.state.files[path];
        let before = Trashed {
            path: path.clone(),
            size: row.size,
            sha256: row.hash.unwrap(),
        };
        let pre = vec![self.file(path)];
        let effect = Effect::FileTrash { before };
        self.push(effect, Class::Destructive, path.as_str(), pre, needs)
    }

    pub(crate) fn m3u8(&mut self, id: &str, needs: &[&ActionId]) -> ActionId {
        let planned = &self.body.playlists[&PlaylistId::from(id)];
        let path = planned.folder.join(&format!("{}.m3u8", planned.name));
        let now = self.state.files.get(&path).and_then(|row| row.hash);
        let effect = Effect::FileLink {
            before: now.map(|sha256| Hashed { sha256 }),
            after: Link {
                form: LinkForm::M3u8,
                path: path.clone(),
                playlist: id.into(),
                of: None,
            },
        };
        let pre = match now {
            Some(_) => self.file(&path),
            None => Precondition::Vacant { path: path.clone() },
        };
        self.push(effect, Class::Change, path.as_str(), vec![pre], needs)
    }

    pub(crate) fn link(&mut self, form: LinkForm, id: &str, into: &str, of: &ActionId) -> ActionId {
        let folder = &self.body.playlists[&PlaylistId::from(into)].folder;
        let effect = Effect::FileLink {
            before: None,
            after: Link {
                form,
                path: folder.join(&format!("{id} too")),
                playlist: into.into(),
                of: Some(id.into()),
            },
        };
        self.push(effect, Class::Additive, id, Vec::new(), &[of])
    }

    pub(crate) fn record(&mut self, id: &str, needs: &[&ActionId]) -> ActionId {
        let planned = &self.body.playlists[&PlaylistId::from(id)].entries;
        let after = Recorded {
            playlist: id.into(),
            count: planned.len(),
            sha256: entries_hash(planned.iter().map(TrackId::as_str)),
        };
        let effect = Effect::StateRecord { after };
        self.push(effect, Class::Additive, id, Vec::new(), needs)
    }

    pub(crate) fn adopt(&mut self, id: &str, path: &MediaPath, content: &ContentId) -> ActionId {
        let after = Adoption {
            track: id.into(),
            path: path.clone(),
            provenance: Provenance::Adopted,
            content: Some(content.clone()),
            home: None,
            further: false,
        };
        let effect = Effect::StateAdopt { after };
        self.push(effect, Class::Additive, id, Vec::new(), &[])
    }

    pub(crate) fn forget(&mut self, id: &str) -> ActionId {
        let before = Forgotten::Playlist(id.into());
        let effect = Effect::StateForget { before };
        self.push(effect, Class::Remove, id, Vec::new(), &[])
    }

    /// Hard links and copies.
    pub(crate) fn copies(&self) -> Vec<MediaPath> {
        let copies = self
            .state
            .files
            .values()
            .filter(|row| row.role == FileRole::Copy);
        copies.map(|row| row.path.clone()).collect()
    }

    pub(crate) fn file_of(&self, id: &str) -> MediaPath {
        self.state.tracks[&TrackId::from(id)].file.clone().unwrap()
    }
}

fn genre(tag: &str) -> TagName {
    TagName {
        group: "Genre".to_owned(),
        tag: tag.to_owned(),
    }
}
