//! TIDAL's playlists in memory, with the troubles of the real ones.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Answer, ListEdit, TidalWriter, WriteError};
use crate::{
    domain::{ItemId, ItemKind, PlaylistEntry, PlaylistId, TidalReading, TrackId},
    edge::tidal::TidalError,
};

/// Playlists that are changed in memory. Clones share them.
#[derive(Clone, Debug)]
pub struct MemoryPlaylists(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    reading: TidalReading,
    troubles: VecDeque<Trouble>,
    written: Vec<(ListEdit, String)>,
    /// Keys of changes that were done.
    done: Vec<String>,
    unreadable: usize,
    honours_place: bool,
    items: usize,
}

/// What happens to the next change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// It is done, and the answer is lost.
    AnswerLost,
    /// It is lost before it is done.
    RequestLost,
    /// It is refused.
    Refused,
    /// It is done, and then the playlists cannot be read so many times.
    Unreadable(usize),
}

impl MemoryPlaylists {
    /// The playlists of `reading`. Added entries go to the end, wherever they were meant to go, as
    /// TIDAL has been seen to do.
    #[must_use]
    pub fn new(reading: TidalReading) -> Self {
        Self(Arc::new(Mutex::new(Shared {
            reading,
            troubles: VecDeque::new(),
            written: Vec::new(),
            done: Vec::new(),
            unreadable: 0,
            honours_place: false,
            items: 0,
        })))
    }

    /// What will happen to the next changes, in order.
    pub fn troubled(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.lock().troubles.extend(troubles);
    }

    /// From now on entries are added where they are meant to go.
    pub fn honour_places(&self) {
        self.lock().honours_place = true;
    }

    /// The playlists as they are.
    #[must_use]
    pub fn reading(&self) -> TidalReading {
        self.lock().reading.clone()
    }

    /// Changes a playlist as the user does.
    pub fn edit(&self, playlist: &PlaylistId, edit: impl FnOnce(&mut Vec<PlaylistEntry>)) {
        if let Some(items) = self.lock().items_of(playlist) {
            edit(items);
        }
    }

    /// The changes that were asked for so far, with their keys.
    #[must_use]
    pub fn written(&self) -> Vec<(ListEdit, String)> {
        self.lock().written.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TidalWriter for MemoryPlaylists {
    fn entries<'a>(
        &'a self,
        playlist: &'a PlaylistId,
    ) -> Answer<'a, Result<Vec<PlaylistEntry>, TidalError>> {
        Box::pin(async move { self.lock().entries(playlist) })
    }

    fn write<'a>(
        &'a mut self,
        playlist: &'a PlaylistId,
        edit: &'a ListEdit,
        key: &'a str,
    ) -> Answer<'a, Result<(), WriteError>> {
        Box::pin(async move { self.lock().write(playlist, edit, key) })
    }
}

impl Shared {
    fn items_of(&mut self, playlist: &PlaylistId) -> Option<&mut Vec<PlaylistEntry>> {
        let mut lists = self.reading.playlists.iter_mut();
        lists
            .find(|list| list.id == *playlist)
            .map(|list| &mut list.items)
    }

    fn entries(&mut self, playlist: &PlaylistId) -> Result<Vec<PlaylistEntry>, TidalError> {
        if self.unreadable > 0 {
            self.unreadable -= 1;
            return Err(TidalError::Unavailable("no answer".to_owned()));
        }
        let found = self.items_of(playlist);
        found.map_or_else(
            || Err(TidalError::Refused("the playlist is gone".to_owned())),
            |items| Ok(items.clone()),
        )
    }

    fn write(
        &mut self,
        playlist: &PlaylistId,
        edit: &ListEdit,
        key: &str,
    ) -> Result<(), WriteError> {
        self.written.push((edit.clone(), key.to_owned()));
        let lost = || Err(WriteError::Unknown("the connection was reset".to_owned()));
        match self.troubles.pop_front().unwrap_or(Trouble::None) {
            Trouble::RequestLost => return lost(),
            Trouble::Refused => return Err(WriteError::Refused("status 400".to_owned())),
            Trouble::AnswerLost => {
                self.perform(playlist, edit, key);
                return lost();
            }
            Trouble::Unreadable(times) => {
                self.perform(playlist, edit, key);
                self.unreadable = times;
                return lost();
            }
            Trouble::None => {}
        }
        self.perform(playlist, edit, key);
        Ok(())
    }

    fn perform(&mut self, playlist: &PlaylistId, edit: &ListEdit, key: &str) {
        if self.done.iter().any(|done| done == key) {
            return;
        }
        self.done.push(key.to_owned());
        let honours_place = self.honours_place;
        let mut number = self.items;
        let Some(items) = self.items_of(playlist) else {
            return;
        };
        let place = |items: &[PlaylistEntry], before: Option<&ItemId>| {
            let found = items
                .iter()
                .position(|entry| entry.item_id.as_ref() == before);
            found.filter(|_| before.is_some()).unwrap_or(items.len())
        };
        match edit {
            ListEdit::Remove(entries) => items.retain(|item| {
                let is_it = |entry: &super::EntryRef| item.item_id.as_ref() == Some(&entry.item);
                !entries.iter().any(is_it)
            }),
            ListEdit::Add { tracks, before } => {
                let before = before.as_ref().filter(|_| honours_place);
                let at = place(items, before);
                let new: Vec<PlaylistEntry> = tracks
                    .iter()
                    .map(|track| {
                        number += 1;
                        added(track, number)
                    })
                    .collect();
                items.splice(at..at, new);
            }
            ListEdit::Move { entries, before } => {
                let is_moved = |item: &PlaylistEntry| {
                    let mut moved = entries.iter();
                    moved.any(|entry| item.item_id.as_ref() == Some(&entry.item))
                };
                let moved: Vec<PlaylistEntry> = entries
                    .iter()
                    .filter_map(|entry| {
                        let mut all = items.iter();
                        all.find(|item| item.item_id.as_ref() == Some(&entry.item))
                            .cloned()
                    })
                    .collect();
                items.retain(|item| !is_moved(item));
                let at = place(items, Some(before));
                items.splice(at..at, moved);
            }
        }
        self.items = number;
    }
}

fn added(track: &TrackId, number: usize) -> PlaylistEntry {
    PlaylistEntry {
        kind: ItemKind::Track,
        id: track.clone(),
        item_id: Some(ItemId::new(&format!("added-{number}"))),
        added_at: None,
        track: None,
    }
}
