//! The list of playlists: with their first pages, or by itself and beyond doubt.

use std::{
    collections::{HashMap, HashSet},
    sync::{PoisonError, atomic::Ordering},
};

use jiff::Timestamp;

use super::{
    super::{
        TidalError,
        http::{Fault, Http},
        pages::{self, Ended, PAGE, Target},
        wire::{self, Resource},
    },
    INCLUDE, Key, Listed, ROUNDS, Reader, Start, Trust, Wish, rows,
};
use crate::domain::{PlaylistEntry, PlaylistId};

/// A playlist as the list has it, without items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaylistHead {
    /// The UUID.
    pub id: PlaylistId,
    /// As TIDAL has it.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// When the playlist last changed.
    pub last_modified_at: Option<Timestamp>,
    /// TIDAL's own count of entries.
    pub number_of_items: Option<u32>,
}

/// The playlists without their items: one request for twenty.
pub(in super::super) async fn heads(
    http: &Http,
    country: Option<String>,
) -> Result<Vec<PlaylistHead>, TidalError> {
    let wish = Wish {
        country,
        favorites: false,
        previous: None,
        on_progress: None,
    };
    let list = Reader::new(http, &wish).settled_list(&HashSet::new()).await;
    let heads = list.map_err(Fault::into_error)?.into_iter();
    Ok(heads
        .map(|listed| PlaylistHead {
            id: PlaylistId::new(listed.id),
            name: listed.key.name,
            description: listed.description,
            last_modified_at: listed.key.modified,
            number_of_items: listed.key.count,
        })
        .collect())
}

/// One playlist's entries, to the end, as they are now.
pub(in super::super) async fn entries(
    http: &Http,
    country: Option<String>,
    id: &PlaylistId,
) -> Result<Vec<PlaylistEntry>, TidalError> {
    let wish = Wish {
        country,
        favorites: false,
        previous: None,
        on_progress: None,
    };
    let reader = Reader::new(http, &wish);
    let mut query = Vec::new();
    reader.push_country(&mut query);
    let head = http
        .get::<Resource>(&["playlists", id.as_str()], &query)
        .await
        .map_err(Fault::into_error)?;
    let nothing = || TidalError::Unavailable("a playlist without an id".to_owned());
    let listed = reader.listed(head.data.unwrap_or_default());
    let (rows, trust) = reader.playlist(&listed.ok_or_else(nothing)?, None).await?;
    match trust {
        Trust::Whole => {}
        Trust::Gone => return Err(TidalError::Refused("the playlist is gone".to_owned())),
        Trust::Doubtful(reason) | Trust::Failed(reason) => {
            return Err(TidalError::Unavailable(reason));
        }
    }
    let catalogue = reader
        .catalogue
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    Ok(rows.iter().map(|row| catalogue.resolve(row)).collect())
}

/// The list of playlists; torn when it was edited while it was read.
pub(super) struct List {
    pub(super) playlists: Vec<Listed>,
    is_torn: bool,
}

impl Reader<'_> {
    /// The list, with each playlist's first page if `embed`.
    pub(super) async fn list(&self, embed: bool) -> Result<List, Fault> {
        let mut query = vec![("filter[owners.id]".to_owned(), "me".to_owned())];
        if embed {
            query.push(("include".to_owned(), INCLUDE.to_owned()));
        }
        self.push_country(&mut query);
        let target = Target {
            segments: vec!["playlists".to_owned()],
            query,
        };
        let ended = pages::read(
            self.http,
            &target,
            Vec::new(),
            None,
            None,
            |data: Vec<Resource>, included| {
                self.merge(included);
                let listed: Option<Vec<Listed>> = data
                    .into_iter()
                    .map(|resource| self.listed(resource))
                    .collect();
                self.playlists.fetch_add(
                    listed.as_ref().map_or(0, Vec::len) as u64,
                    Ordering::Relaxed,
                );
                self.report();
                listed
            },
        )
        .await?;
        let all = match ended {
            Ended::Whole(all) => all,
            Ended::Broken(_, reason) => {
                return Err(Fault::Failed(format!("the list of playlists: {reason}")));
            }
        };
        Ok(without_repeats(all))
    }

    /// The list, without first pages, asked for until it is believable: not torn, and nothing of
    /// `known` missing unless two lists in a row agree that it is.
    pub(super) async fn settled_list(&self, known: &HashSet<String>) -> Result<Vec<Listed>, Fault> {
        let mut before: Option<HashSet<String>> = None;
        for _ in 0..ROUNDS {
            self.playlists.store(0, Ordering::Relaxed);
            let list = self.list(false).await?;
            let ids: HashSet<String> = list.playlists.iter().map(|p| p.id.clone()).collect();
            let agrees = known.is_subset(&ids) || before.as_ref() == Some(&ids);
            if agrees && !list.is_torn {
                return Ok(list.playlists);
            }
            before = Some(ids);
        }
        Err(Fault::Failed(
            "the list of playlists keeps changing while it is read".to_owned(),
        ))
    }

    fn listed(&self, resource: Resource) -> Option<Listed> {
        let attributes = resource.attributes.unwrap_or_default();
        let key = Key {
            modified: attributes
                .last_modified_at
                .as_deref()
                .and_then(wire::timestamp),
            count: attributes.number_of_items,
            name: attributes.name.unwrap_or_default(),
        };
        let items = resource.relationships.and_then(|all| all.items);
        let start = items.and_then(|items| {
            let data = items.data?;
            let rows = rows(data)?;
            let next = pages::next(&self.http.api, items.links.as_ref()).ok()?;
            // A first page that is short of the counter and leads nowhere is read again by itself.
            let is_all = match key.count {
                Some(count) => rows.len() == count as usize,
                None => rows.len() < PAGE as usize,
            };
            (next.is_some() || is_all).then_some(Start { rows, next })
        });
        Some(Listed {
            id: resource.id?,
            description: attributes.description.unwrap_or_default(),
            key,
            start,
        })
    }
}

fn without_repeats(all: Vec<Listed>) -> List {
    let total = all.len();
    let mut at: HashMap<String, usize> = HashMap::new();
    let mut playlists: Vec<Listed> = Vec::with_capacity(total);
    for listed in all {
        match at.get(&listed.id) {
            // The later page is the newer one.
            Some(&place) => playlists[place] = listed,
            None => {
                at.insert(listed.id.clone(), playlists.len());
                playlists.push(listed);
            }
        }
    }
    let is_torn = playlists.len() < total;
    List { playlists, is_torn }
}
