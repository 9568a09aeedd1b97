//! `rekordbox export`, and the `[rekordbox] xml` that an apply writes: our playlists (and the DJ's
//! collection) as files that Rekordbox imports by hand, for whoever wants nobody to write its database.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

use crate::{
    cli::{
        args::ExportArgs,
        engine::Engine,
        error::{CliError, Exit},
        plan::write_whole,
        settings::Settings,
        ui::Ui,
        view::{Envelope, rekordbox::Exported, text::count},
    },
    desired::{desire, naming},
    domain::{
        AudioFile, AudioFormat, Collection, CollectionPlaylist, ContentId, MediaPath, NodeId,
        NodeKind, State, Track, TrackId, state::ObjectKey, text::nfc,
    },
    edge::{
        local::LocalReader as _,
        rekordbox::{
            MasterDb, RekordboxReader as _,
            export::{self, Export, ExportNode, ExportTrack, M3U8_MARK, MARK},
        },
        store::StateReader as _,
    },
    policy::Policy,
};

use super::rekordbox::{Desk, policy};

/// Numbers from here on are no content ids of Rekordbox's.
const FIRST_NEW: u64 = 1 << 28;

/// `rekordbox export`
///
/// # Errors
/// When something cannot be read, or a file that is not ours is in the way.
pub async fn export(settings: &Settings, ui: &Ui, args: &ExportArgs) -> Result<Exit, CliError> {
    let file = settings.around.absolute(&args.file);
    let folder = args
        .m3u8
        .as_ref()
        .map(|folder| settings.around.absolute(folder));
    let mut draft = Draft::default();
    let policy = policy(settings, ui)?;
    match policy {
        Some(policy) => {
            let mut engine = Engine::look_with(policy, settings, ui).await?;
            draft.fill(&mut engine, !args.ours).await?;
        }
        None if args.ours => {
            return Err(CliError::user("without a policy no playlist is ours")
                .hint("`tidal-cleanup init` writes one; without `--ours` the whole collection is exported"));
        }
        None => {
            let desk = Desk::open(settings, ui)?;
            draft.collection(&desk.library).await?;
        }
    }
    let export = draft.whole();
    let files = match &folder {
        Some(folder) => playlist_files(&export, folder),
        None => Vec::new(),
    };
    refuse_foreign(&file, MARK)?;
    for (path, _) in &files {
        refuse_foreign(path, M3U8_MARK)?;
    }
    write_if_new(&file, &export::xml(&export))?;
    for (path, text) in &files {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| CliError::file("make", folder, error))?;
        }
        write_if_new(path, text)?;
    }
    let lists = lists(&export.nodes);
    let exported = Exported {
        file: &file,
        tracks: export.tracks.len(),
        playlists: lists.len(),
        entries: lists.iter().map(|(_, tracks)| tracks.len()).sum(),
        m3u8: files.into_iter().map(|(path, _)| path).collect(),
        without_file: draft.without_file,
    };
    let mut said = format!(
        "Wrote {}: {} in {}.",
        file.display(),
        count(exported.tracks, "track", "tracks"),
        count(exported.playlists, "playlist", "playlists"),
    );
    if let Some(folder) = &folder {
        let files = count(exported.m3u8.len(), "playlist file", "playlist files");
        said.push_str(&format!("\n{files} in {}.", folder.display()));
    }
    ui.answer_either(said, &Envelope::new("rekordbox-export", &exported))?;
    tell_missing(ui, draft.without_file);
    ui.hint("in Rekordbox: Preferences > Advanced > rekordbox xml names the file, View shows it in the tree");
    Ok(Exit::Done)
}

/// Writes `[rekordbox] xml` after an apply, where the policy names it: our playlists as they are now.
///
/// # Errors
/// When something cannot be read, or a file that is not ours is in the way.
pub async fn after_apply(policy: Policy, settings: &Settings, ui: &Ui) -> Result<(), CliError> {
    let Some(file) = policy.rekordbox.xml.clone() else {
        return Ok(());
    };
    let mut engine = Engine::look_with(policy, settings, ui).await?;
    let mut draft = Draft::default();
    draft.fill(&mut engine, false).await?;
    refuse_foreign(&file, MARK)?;
    if write_if_new(&file, &export::xml(&draft.whole()))? {
        ui.status(format!("Wrote {}.", file.display()));
    }
    Ok(())
}

fn tell_missing(ui: &Ui, tracks: usize) {
    if tracks > 0 {
        ui.warning(format!(
            "{} of our playlists without a file left out; an apply fetches them",
            count(tracks, "entry", "entries")
        ));
    }
}

/// A file that somebody else wrote stays: it may be Rekordbox's own export.
fn refuse_foreign(path: &Path, mark: &str) -> Result<(), CliError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(CliError::file("read", path, error)),
    };
    let head =
        String::from_utf8_lossy(text.get(..text.len().min(400)).unwrap_or_default()).into_owned();
    match text.is_empty() || head.contains(mark) {
        true => Ok(()),
        false => Err(CliError::user(format!(
            "{} is there already, and not from this program",
            path.display()
        ))
        .hint("name another file, or move that one away")),
    }
}

fn write_if_new(path: &Path, text: &str) -> Result<bool, CliError> {
    if fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(false);
    }
    write_whole(path, text)?;
    Ok(true)
}

/// An export being put together.
#[derive(Default)]
struct Draft {
    tracks: BTreeMap<u64, ExportTrack>,
    nodes: Vec<ExportNode>,
    /// The track of a file, by its absolute path (NFC).
    by_path: HashMap<String, u64>,
    /// Rekordbox's tracks, by their id there.
    by_content: HashMap<ContentId, u64>,
    /// Rekordbox's tracks that nothing speaks of yet.
    known: BTreeMap<u64, ExportTrack>,
    without_file: usize,
}

impl Draft {
    fn whole(&self) -> Export {
        Export {
            tracks: self.tracks.values().cloned().collect(),
            nodes: self.nodes.clone(),
        }
    }

    /// Takes in Rekordbox's collection where it is wanted, and our playlists.
    async fn fill(&mut self, engine: &mut Engine, everything: bool) -> Result<(), CliError> {
        let state = engine.store.state().await?;
        let mut collection = Collection::default();
        if let Some(library) = engine.rekordbox.take() {
            collection = match everything {
                true => self.collection(&library).await?,
                false => {
                    self.learn(&library).await?;
                    Collection::default()
                }
            };
        }
        let Some(reading) = engine.known_reading().await? else {
            return Ok(());
        };
        let library = engine.library.scan()?.value;
        let mut roots = vec![engine.policy.library.root.clone()];
        roots.extend(
            engine
                .policy
                .library
                .sources
                .iter()
                .map(|source| source.path.clone()),
        );
        let desired = desire(
            &engine.policy,
            &reading,
            &state,
            &library,
            &BTreeMap::new(),
            [],
        );
        for playlist in desired
            .playlists
            .values()
            .filter(|playlist| playlist.smart.is_none())
        {
            if is_there(&state, &collection, &playlist.id) {
                continue;
            }
            let mut ids = Vec::new();
            for track in &playlist.entries {
                let file = file_of(&state, track).and_then(|path| library.file(path));
                let Some((file, path)) =
                    file.and_then(|file| Some((file, file.path.below(&roots)?)))
                else {
                    self.without_file += 1;
                    continue;
                };
                let said = desired.tracks.get(track).map(|want| &*want.track);
                ids.push(self.track(file, &path, said));
            }
            let list = ExportNode::List(playlist.rekordbox_name.clone(), ids);
            put(&mut self.nodes, &playlist.rekordbox_folder, list);
        }
        Ok(())
    }

    /// Learns what Rekordbox knows of its tracks, without taking them in.
    async fn learn(&mut self, library: &MasterDb) -> Result<(), CliError> {
        let mut next = FIRST_NEW;
        for (content, mut track) in library.export_tracks().await? {
            // Ids of Rekordbox's are numbers; whatever else stands there gets one that is free.
            let number = content.as_str().parse().ok().filter(|id| *id < FIRST_NEW);
            let number = number
                .filter(|id| !self.known.contains_key(id))
                .unwrap_or_else(|| {
                    next += 1;
                    next + FIRST_NEW
                });
            track.id = number;
            self.by_path.entry(nfc(&track.location)).or_insert(number);
            self.by_content.insert(content, number);
            self.known.insert(number, track);
        }
        Ok(())
    }

    /// Takes in everything that Rekordbox has.
    async fn collection(&mut self, library: &MasterDb) -> Result<Collection, CliError> {
        let collection = library.read().await?.value;
        self.learn(library).await?;
        self.tracks = self.known.clone();
        self.nodes = self.children(&collection, None, 0);
        Ok(collection)
    }

    fn children(
        &self,
        collection: &Collection,
        parent: Option<&NodeId>,
        depth: usize,
    ) -> Vec<ExportNode> {
        // Folders that hold themselves end somewhere.
        if depth > 64 {
            return Vec::new();
        }
        let mut nodes: Vec<&CollectionPlaylist> = collection
            .nodes
            .values()
            .filter(|node| match (&node.parent, parent) {
                (None, None) => true,
                (Some(of), Some(parent)) => of == parent,
                _ => false,
            })
            .collect();
        nodes.sort_by_key(|node| (node.seq, &node.id));
        let export = |node: &CollectionPlaylist| match node.kind {
            NodeKind::Folder => Some(ExportNode::Folder(
                node.name.clone(),
                self.children(collection, Some(&node.id), depth + 1),
            )),
            NodeKind::List => {
                let id = |entry: &crate::domain::CollectionEntry| {
                    self.by_content.get(&entry.content).copied()
                };
                Some(ExportNode::List(
                    node.name.clone(),
                    node.entries.iter().filter_map(id).collect(),
                ))
            }
            NodeKind::Smart | NodeKind::Special => None,
        };
        nodes.into_iter().filter_map(export).collect()
    }

    /// The number of a file's track: Rekordbox's own, or a new one.
    fn track(&mut self, file: &AudioFile, path: &Path, said: Option<&Track>) -> u64 {
        let place = path
            .to_string_lossy()
            .replace(std::path::MAIN_SEPARATOR, "/");
        let key = nfc(&place);
        if let Some(number) = self.by_path.get(&key) {
            if let Some(track) = self.known.get(number) {
                self.tracks.entry(*number).or_insert_with(|| track.clone());
            }
            return *number;
        }
        let number = FIRST_NEW + self.by_path.len() as u64;
        let track = new_track(number, place, file, said);
        self.tracks.insert(number, track);
        self.by_path.insert(key, number);
        number
    }
}

fn is_there(state: &State, collection: &Collection, id: &crate::domain::PlaylistId) -> bool {
    let object = state.object(&ObjectKey::Playlist(id.clone()));
    object.is_some_and(|row| collection.nodes.contains_key(&NodeId::new(row.id.clone())))
}

fn file_of<'s>(state: &'s State, track: &TrackId) -> Option<&'s MediaPath> {
    state.tracks.get(track)?.file.as_ref()
}

fn new_track(id: u64, location: String, file: &AudioFile, said: Option<&Track>) -> ExportTrack {
    let tags = &file.tags;
    let file_type = match file.format {
        AudioFormat::Mp3 => 1,
        AudioFormat::M4a => 4,
        AudioFormat::Alac => 6,
        AudioFormat::Flac => 5,
        AudioFormat::Wav => 11,
        AudioFormat::Aiff => 12,
        AudioFormat::Ogg | AudioFormat::Opus => 0,
    };
    let title = said.map(Track::full_title).or_else(|| tags.title.clone());
    let artists = said.map_or(&tags.artists, |track| &track.artists);
    let album = said
        .and_then(|track| track.album.clone())
        .or_else(|| tags.album.clone());
    let year = said
        .and_then(|track| track.release_date.as_deref()?.get(..4)?.parse().ok())
        .or(tags.year.map(u64::from));
    ExportTrack {
        id,
        name: title.unwrap_or_else(|| file.path.file_stem()),
        artist: artists.join(", "),
        album: album.unwrap_or_default(),
        genre: tags.genre.clone().unwrap_or_default(),
        kind: export::kind(file_type, &location),
        size: file.stat.size,
        total_time: file.duration_ms.map_or(0, |millis| (millis + 500) / 1000),
        year: year.unwrap_or(0),
        bit_rate: file.bitrate_kbps.map_or(0, u64::from),
        sample_rate: file.sample_rate_hz.map_or(0, u64::from),
        location,
        ..ExportTrack::default()
    }
}

/// Puts a list into the folder of that way, which is made where it is not there.
fn put(nodes: &mut Vec<ExportNode>, folders: &[String], list: ExportNode) {
    let Some((folder, below)) = folders.split_first() else {
        nodes.push(list);
        return;
    };
    for node in nodes.iter_mut() {
        if let ExportNode::Folder(name, children) = node
            && name == folder
        {
            put(children, below, list);
            return;
        }
    }
    let mut children = Vec::new();
    put(&mut children, below, list);
    nodes.push(ExportNode::Folder(folder.clone(), children));
}

/// Every list with its way from the top.
fn lists(nodes: &[ExportNode]) -> Vec<(Vec<&str>, &[u64])> {
    let mut found = Vec::new();
    for node in nodes {
        match node {
            ExportNode::List(name, tracks) => found.push((vec![name.as_str()], tracks.as_slice())),
            ExportNode::Folder(name, children) => {
                for (mut way, tracks) in lists(children) {
                    way.insert(0, name);
                    found.push((way, tracks));
                }
            }
        }
    }
    found
}

/// A file for each list, in folders as in the tree; names that every file system takes, none twice.
fn playlist_files(export: &Export, folder: &Path) -> Vec<(PathBuf, String)> {
    let tracks: HashMap<u64, &ExportTrack> = export
        .tracks
        .iter()
        .map(|track| (track.id, track))
        .collect();
    let lists = lists(&export.nodes);
    let wanted: BTreeMap<usize, String> = lists
        .iter()
        .map(|(way, _)| {
            way.iter()
                .map(|part| naming::safe_component(part))
                .collect::<Vec<_>>()
                .join("/")
        })
        .enumerate()
        .collect();
    let names = naming::distinct(&wanted, &BTreeMap::new());
    let file = |(number, (way, ids)): (usize, &(Vec<&str>, &[u64]))| {
        let name = way.last().copied().unwrap_or_default();
        let text = export::m3u8(name, ids.iter().filter_map(|id| tracks.get(id).copied()));
        (folder.join(format!("{}.m3u8", names[&number])), text)
    };
    lists.iter().enumerate().map(file).collect()
}
