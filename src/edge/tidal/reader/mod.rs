//! An exact reading: every playlist to its end, and the list once more at the end, because a list that
//! is edited while it is read comes torn.

mod favorites;
mod list;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
pub use list::PlaylistHead;
pub(super) use list::{entries, heads};

use super::{
    TidalError,
    http::{Fault, Http},
    pages::{self, Cursor, Ended, PAGE, Target},
    progress::{OnProgress, Progress},
    wire::{Catalogue, Identifier, Resource, Row},
};
use crate::domain::{
    Observed, Playlist, PlaylistEntry, PlaylistId, Problem, TidalReading, TidalUser,
};

/// What has to come with an entry for it to be a track with artists, album and year.
const INCLUDE: &str = "items.artists,items.albums";
/// How often playlists that keep changing are read again.
const ROUNDS: u32 = 5;
/// How often a playlist is read within a round until two readings agree.
const PASSES: u32 = 3;
/// How many playlists are read side by side; the throttle bounds what is in flight besides.
const WORKERS: usize = 4;

/// What to read, and whom to tell.
pub(super) struct Wish<'a> {
    pub(super) country: Option<String>,
    pub(super) favorites: bool,
    /// A reading whose unchanged playlists need not be read again.
    pub(super) previous: Option<&'a TidalReading>,
    pub(super) on_progress: Option<&'a OnProgress>,
}

/// Reads everything that `wish` asks for as `user`.
pub(super) async fn read(
    http: &Http,
    user: TidalUser,
    wish: &Wish<'_>,
) -> Result<Observed<TidalReading>, TidalError> {
    Reader::new(http, wish).read(user).await
}

struct Reader<'a> {
    http: &'a Http,
    wish: &'a Wish<'a>,
    catalogue: Mutex<Catalogue>,
    items: AtomicU64,
    of_items: AtomicU64,
    playlists: AtomicU64,
    requests_left: AtomicU64,
}

/// A playlist as the list has it.
#[derive(Clone, Debug)]
struct Listed {
    id: String,
    description: String,
    key: Key,
    /// Its first page, where it came with the list.
    start: Option<Start>,
}

/// What tells that a playlist has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    modified: Option<Timestamp>,
    count: Option<u32>,
    name: String,
}

/// The first rows of a playlist, and where to go on (`None`: that is all).
#[derive(Clone, Debug)]
struct Start {
    rows: Vec<Row>,
    next: Option<Cursor>,
}

/// A playlist as it was read.
struct Held {
    key: Key,
    items: Items,
    trust: Trust,
    rounds: u32,
}

enum Items {
    /// Of this reading; what they point at is in the catalogue.
    Rows(Vec<Row>),
    /// Of the previous one.
    Entries(Vec<PlaylistEntry>),
}

/// How far what was read can be believed.
#[derive(Clone, Debug)]
enum Trust {
    /// To the end.
    Whole,
    /// Read, and contradictory: worth another round.
    Doubtful(String),
    /// Could not be read, and asking again is no use.
    Failed(String),
    /// TIDAL says that it does not exist.
    Gone,
}

impl Held {
    fn needs_reading(&self, listed: &Listed) -> bool {
        let has_moved = self.key != listed.key;
        match self.trust {
            Trust::Whole => has_moved,
            Trust::Doubtful(_) | Trust::Gone => has_moved || self.rounds < 2,
            Trust::Failed(_) => has_moved && self.rounds < 2,
        }
    }
}

impl<'a> Reader<'a> {
    fn new(http: &'a Http, wish: &'a Wish<'a>) -> Self {
        Self {
            http,
            wish,
            catalogue: Mutex::default(),
            items: AtomicU64::new(0),
            of_items: AtomicU64::new(0),
            playlists: AtomicU64::new(0),
            requests_left: AtomicU64::new(0),
        }
    }

    async fn read(&self, user: TidalUser) -> Result<Observed<TidalReading>, TidalError> {
        let known = self.known_ids();
        let mut list = match known.is_empty() {
            true => self.list(true).await.map_err(Fault::into_error)?.playlists,
            false => self.settled_list(&known).await.map_err(Fault::into_error)?,
        };
        let mut held = self.unchanged(&list);
        let mut trouble = None;
        for _ in 0..ROUNDS {
            let jobs: Vec<Listed> = list
                .iter()
                .filter(|listed| {
                    held.get(&listed.id)
                        .is_none_or(|held| held.needs_reading(listed))
                })
                .cloned()
                .collect();
            if jobs.is_empty() {
                break;
            }
            trouble = self.read_all(jobs, &mut held).await;
            if trouble.is_some() {
                break;
            }
            let ids = list.iter().map(|listed| listed.id.clone()).collect();
            match self.settled_list(&ids).await {
                Ok(settled) => list = settled,
                Err(fault) => {
                    trouble = Some(fault.into_error());
                    break;
                }
            }
        }
        if let Some(TidalError::NotLoggedIn(reason)) = trouble {
            return Err(TidalError::NotLoggedIn(reason));
        }
        let favorites = match (&trouble, self.wish.favorites) {
            (None, true) => Some(self.favorites().await?),
            (None | Some(_), _) => None,
        };
        Ok(self.assemble(user, list, held, favorites, trouble.as_ref()))
    }

    fn known_ids(&self) -> HashSet<String> {
        self.wish
            .previous
            .into_iter()
            .flat_map(|reading| &reading.playlists)
            .map(|playlist| playlist.id.as_str().to_owned())
            .collect()
    }

    /// The playlists of the previous reading that the list shows unchanged.
    fn unchanged(&self, list: &[Listed]) -> HashMap<String, Held> {
        let Some(previous) = self.wish.previous else {
            return HashMap::new();
        };
        let known: HashMap<&str, &Playlist> = previous
            .playlists
            .iter()
            .map(|playlist| (playlist.id.as_str(), playlist))
            .collect();
        list.iter()
            .filter_map(|listed| {
                let playlist = known.get(listed.id.as_str())?;
                let key = Key {
                    modified: playlist.last_modified_at,
                    count: playlist.number_of_items,
                    name: playlist.name.clone(),
                };
                let same = playlist.complete && key.modified.is_some() && key == listed.key;
                let held = same.then(|| Held {
                    key,
                    items: Items::Entries(playlist.items.clone()),
                    trust: Trust::Whole,
                    rounds: 0,
                })?;
                Some((listed.id.clone(), held))
            })
            .collect()
    }

    /// Reads the playlists, the longest first, into `held`. What stops the whole reading is returned.
    async fn read_all(
        &self,
        mut jobs: Vec<Listed>,
        held: &mut HashMap<String, Held>,
    ) -> Option<TidalError> {
        self.expect(&jobs);
        // Taken from the end.
        jobs.sort_by_key(|job| (pages_left(job), std::cmp::Reverse(job.id.clone())));
        let queue = Mutex::new((jobs, None));
        let done = Mutex::new(Vec::new());
        let mut workers = Vec::with_capacity(WORKERS);
        for _ in 0..WORKERS {
            workers.push(Box::pin(self.work(&queue, &done)));
        }
        join_all(workers).await;
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (listed, items, trust) in done {
            let rounds = held.get(&listed.id).map_or(0, |held| held.rounds) + 1;
            let read = Held {
                key: listed.key,
                items: Items::Rows(items),
                trust,
                rounds,
            };
            held.insert(listed.id, read);
        }
        let (_, stopped) = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
        stopped
    }

    async fn work(
        &self,
        queue: &Mutex<(Vec<Listed>, Option<TidalError>)>,
        done: &Mutex<Vec<(Listed, Vec<Row>, Trust)>>,
    ) {
        let lock = || queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let next = {
                let mut queue = lock();
                if queue.1.is_some() {
                    None
                } else {
                    queue.0.pop()
                }
            };
            let Some(mut listed) = next else { return };
            let start = listed.start.take();
            match self.playlist(&listed, start).await {
                Ok((rows, trust)) => {
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((listed, rows, trust));
                }
                Err(error) => {
                    lock().1.get_or_insert(error);
                    return;
                }
            }
        }
    }

    /// One playlist, until its rows match the counter or two readings agree that the counter is wrong.
    async fn playlist(
        &self,
        listed: &Listed,
        mut start: Option<Start>,
    ) -> Result<(Vec<Row>, Trust), TidalError> {
        let mut before: Option<Vec<Row>> = None;
        let mut doubt = String::new();
        for _ in 0..PASSES {
            let rows = match self.pass(listed, start.take()).await {
                Ok(Ended::Whole(rows)) => rows,
                Ok(Ended::Broken(rows, reason)) => {
                    let rows = before.unwrap_or(rows);
                    if doubt == reason {
                        return Ok((rows, Trust::Failed(reason)));
                    }
                    doubt = reason;
                    before = Some(rows);
                    continue;
                }
                Err(Fault::Fatal(error)) => return Err(error),
                Err(Fault::Gone(_)) => return Ok((Vec::new(), Trust::Gone)),
                Err(Fault::Refused(reason) | Fault::Failed(reason)) => {
                    return Ok((before.unwrap_or_default(), Trust::Failed(reason)));
                }
            };
            let fits = self.fits(&rows, listed.key.count);
            let is_unique = unique(&rows);
            let agrees = before.as_ref() == Some(&rows);
            match (is_unique, fits, agrees) {
                (true, true, _) | (true, false, true) => return Ok((rows, Trust::Whole)),
                (true, false, false) => {
                    doubt = format!(
                        "it says that it has {} items and lists {}",
                        listed.key.count.unwrap_or_default(),
                        rows.len()
                    );
                }
                (false, _, _) => "it lists the same entry twice".clone_into(&mut doubt),
            }
            before = Some(rows);
        }
        Ok((before.unwrap_or_default(), Trust::Doubtful(doubt)))
    }

    /// Whether the counter can be right. Nobody knows whether TIDAL counts the entries whose tracks it
    /// withholds, so that either is.
    fn fits(&self, rows: &[Row], count: Option<u32>) -> bool {
        let Some(count) = count.map(|count| count as usize) else {
            return true;
        };
        let catalogue = self
            .catalogue
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let withheld = rows.iter().filter(|row| !catalogue.has(row)).count();
        (rows.len() - withheld..=rows.len()).contains(&count)
    }

    async fn pass(&self, listed: &Listed, start: Option<Start>) -> Result<Ended<Row>, Fault> {
        let (rows, cursor) = match start {
            Some(Start { rows, next: None }) => {
                self.count(rows.len());
                return Ok(Ended::Whole(rows));
            }
            Some(Start {
                rows,
                next: Some(next),
            }) => (rows, Some(next)),
            None => (Vec::new(), None),
        };
        self.count(rows.len());
        let mut query = vec![
            ("include".to_owned(), INCLUDE.to_owned()),
            ("sort".to_owned(), "itemIndex".to_owned()),
        ];
        self.push_country(&mut query);
        let target = Target {
            segments: ["playlists", &listed.id, "relationships", "items"]
                .map(str::to_owned)
                .into(),
            query,
        };
        self.rows(&target, rows, cursor, listed.key.count).await
    }

    async fn rows(
        &self,
        target: &Target,
        rows: Vec<Row>,
        cursor: Option<Cursor>,
        expected: Option<u32>,
    ) -> Result<Ended<Row>, Fault> {
        let id = |row: &Row| row.item_id.clone();
        let mut known: HashSet<String> = rows.iter().filter_map(id).collect();
        pages::read(
            self.http,
            target,
            rows,
            cursor,
            expected,
            |data: Vec<Identifier>, included| {
                self.merge(included);
                // A page of nothing but known entries would have pages go on for ever.
                let new = self::rows(data).filter(|new| {
                    let fresh = new.iter().map(id).filter(|id| match id {
                        Some(id) => known.insert(id.clone()),
                        None => true,
                    });
                    new.is_empty() || fresh.count() > 0
                });
                self.count(new.as_ref().map_or(0, Vec::len));
                let _ =
                    self.requests_left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                            Some(left.saturating_sub(1))
                        });
                self.report();
                new
            },
        )
        .await
    }

    fn assemble(
        &self,
        user: TidalUser,
        list: Vec<Listed>,
        mut held: HashMap<String, Held>,
        favorites: Option<(Vec<Row>, Option<String>)>,
        trouble: Option<&TidalError>,
    ) -> Observed<TidalReading> {
        let hole = |subject: &str, message: String| Problem {
            subject: subject.to_owned(),
            message,
            leaves_hole: true,
        };
        let mut problems = Vec::new();
        if let Some(error) = trouble {
            problems.push(hole("TIDAL", format!("the reading broke off: {error}")));
        }
        let catalogue = self
            .catalogue
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let playlists: Vec<Playlist> = list
            .into_iter()
            .map(|listed| {
                let read = held.remove(&listed.id);
                let doubt = doubt(&listed, read.as_ref());
                if let Some(reason) = &doubt {
                    problems.push(hole(&listed.key.name, reason.clone()));
                }
                let items = match read.map(|held| held.items) {
                    Some(Items::Entries(entries)) => entries,
                    Some(Items::Rows(rows)) => {
                        rows.iter().map(|row| catalogue.resolve(row)).collect()
                    }
                    None => Vec::new(),
                };
                Playlist {
                    id: PlaylistId::new(listed.id),
                    name: listed.key.name,
                    description: listed.description,
                    last_modified_at: listed.key.modified,
                    number_of_items: listed.key.count,
                    complete: doubt.is_none(),
                    items,
                }
            })
            .collect();
        let favorites = favorites.map(|(rows, doubt)| {
            problems.extend(doubt.map(|reason| hole("favourite tracks", reason)));
            rows.iter().map(|row| catalogue.resolve(row)).collect()
        });
        Observed {
            value: TidalReading {
                taken_at: Some(Timestamp::now()),
                complete: problems.is_empty(),
                user: Some(user),
                playlists,
                favorites,
            },
            problems,
        }
    }

    fn merge(&self, included: Vec<Resource>) {
        self.catalogue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .merge(included);
    }

    fn push_country(&self, query: &mut Vec<(String, String)>) {
        if let Some(country) = &self.wish.country {
            query.push(("countryCode".to_owned(), country.clone()));
        }
    }

    fn expect(&self, jobs: &[Listed]) {
        let items: u64 = jobs
            .iter()
            .map(|job| u64::from(job.key.count.unwrap_or_default()))
            .sum();
        let pages: u64 = jobs.iter().map(|job| u64::from(pages_left(job))).sum();
        let list = self
            .playlists
            .load(Ordering::Relaxed)
            .div_ceil(u64::from(PAGE));
        self.of_items.fetch_add(items, Ordering::Relaxed);
        self.requests_left.store(pages + list, Ordering::Relaxed);
        self.report();
    }

    fn count(&self, rows: usize) {
        self.items.fetch_add(rows as u64, Ordering::Relaxed);
    }

    fn report(&self) {
        let Some(on_progress) = self.wish.on_progress else {
            return;
        };
        let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let left = load(&self.requests_left);
        let pause = self.http.throttle.pause();
        let seconds =
            f64::from(u32::try_from(left).unwrap_or(u32::MAX)) / self.http.throttle.rate();
        on_progress(&Progress {
            items: load(&self.items).min(load(&self.of_items)),
            of_items: load(&self.of_items),
            playlists: load(&self.playlists),
            requests: self.http.sent(),
            requests_left: left,
            left: Duration::from_secs_f64(seconds) + pause,
            pause: (!pause.is_zero()).then_some(pause),
        });
    }
}

/// Why a playlist is not complete, if it is not.
fn doubt(listed: &Listed, held: Option<&Held>) -> Option<String> {
    let Some(held) = held else {
        return Some("it was not read".to_owned());
    };
    match &held.trust {
        Trust::Whole if held.key == listed.key => None,
        Trust::Whole => Some("it kept changing while it was read".to_owned()),
        Trust::Doubtful(reason) | Trust::Failed(reason) => Some(reason.clone()),
        Trust::Gone => Some("TIDAL lists it and says that it does not exist".to_owned()),
    }
}

fn rows(data: Vec<Identifier>) -> Option<Vec<Row>> {
    data.into_iter().map(Row::of).collect()
}

/// Whether no entry stands twice; entries without an id prove nothing.
fn unique(rows: &[Row]) -> bool {
    let mut seen = HashSet::new();
    rows.iter()
        .filter_map(|row| row.item_id.as_deref())
        .all(|id| seen.insert(id))
}

/// Requests that a playlist still costs.
fn pages_left(listed: &Listed) -> u32 {
    let count = listed.key.count.unwrap_or(PAGE);
    match &listed.start {
        Some(Start { next: None, .. }) => 0,
        Some(Start { rows, .. }) => {
            let rows = u32::try_from(rows.len()).unwrap_or(u32::MAX);
            count.saturating_sub(rows).div_ceil(PAGE).max(1)
        }
        None => count.div_ceil(PAGE).max(1),
    }
}

/// Drives all of them on this task.
async fn join_all<F: Future<Output = ()> + Unpin>(mut workers: Vec<F>) {
    std::future::poll_fn(|context| {
        workers.retain_mut(|worker| std::pin::Pin::new(worker).poll(context).is_pending());
        if workers.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}
