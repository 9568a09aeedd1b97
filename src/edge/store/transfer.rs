//! A whole state as a stream of lines, the same from every database: what `db export` writes and
//! `db import` reads.
//!
//! The rows of a table come in an order that no database chooses, and what numbers them inside of one
//! database is left out: where a row names a track or a playlist it says which one of the stream it is,
//! counted from 1. So the same state gives the same lines, and the SHA-256 of a table's lines tells
//! whether two databases hold the same. One row is in memory at a time, not one table.

mod lines;
mod table;
#[cfg(test)]
pub(super) mod tests;

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::domain::LibraryId;

pub use lines::{Digests, Header, TableDigest};
pub(super) use lines::{Item, Lines, Writer};
pub(super) use table::{Cell, Kind, TABLES, Table};

/// Of which history the state is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Of the library's marker.
    pub library: LibraryId,
    /// Names the history; a plan is of one.
    pub lineage: String,
    /// How many runs were closed.
    pub serial: i64,
    /// The number of the last run that was begun or taken over.
    pub fencing: i64,
}

/// What became of a state that was to be moved into a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrival {
    /// It is there now, compared row by row with what was sent.
    Moved,
    /// It was there already, row by row.
    Present,
}

/// The database that a state is read from, in one transaction.
pub(super) trait Giver {
    /// Of which history it is; `None` before the library is known.
    fn origin(&mut self) -> impl Future<Output = Result<Option<Origin>, StoreError>> + Send;

    /// Reads a table in the stream's order.
    fn rows(
        &mut self,
        table: &'static Table,
        each: &mut (dyn FnMut(Vec<Cell>) -> io::Result<()> + Send),
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The database that a state is written to, in one transaction: all of it arrives, or nothing.
pub(super) trait Taker: Giver {
    /// Whether it holds nothing that a plan or an apply made. Readings that were kept don't count: they
    /// can be taken again.
    fn is_empty(&mut self) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Takes up the history.
    fn begin(&mut self, origin: &Origin) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Writes rows, in the stream's order.
    fn put(
        &mut self,
        table: &'static Table,
        rows: Vec<Vec<Cell>>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// All rows of the table were put.
    fn end(&mut self, table: &'static Table)
    -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// How much of a table is written at once.
const BATCH_ROWS: usize = 2_000;
const BATCH_BYTES: usize = 4 << 20;

/// Writes the state as lines to `out`.
pub(super) async fn give<W: Write + Send>(
    giver: &mut (impl Giver + Send),
    out: W,
    header: &Header,
) -> Result<Digests, StoreError> {
    let failed = |source| StoreError::Io {
        doing: "write",
        path: "the saved state".to_owned(),
        source,
    };
    let mut writer = Writer::begin(out, header).map_err(failed)?;
    for table in &TABLES {
        writer.table(table).map_err(failed)?;
        giver
            .rows(table, &mut |row| writer.row(table, &row))
            .await?;
        writer.end_table().map_err(failed)?;
    }
    writer.end().map_err(failed)
}

/// What the state is, without writing it anywhere.
pub(super) async fn digests(giver: &mut (impl Giver + Send)) -> Result<Digests, StoreError> {
    let Some(origin) = giver.origin().await? else {
        return Err(StoreError::NoLibrary);
    };
    give(giver, io::sink(), &Header::of(origin)).await
}

/// Reads a saved state to its end; what is cut or changed is an error.
///
/// # Errors
/// [`StoreError::BadExport`], or when the file cannot be read.
pub fn examine(from: impl BufRead) -> Result<(Header, Digests), StoreError> {
    let mut lines = Lines::open(from)?;
    loop {
        match lines.next()? {
            Item::End(digests) => return Ok((lines.header().clone(), digests)),
            Item::Table(_) | Item::Row(_) | Item::EndTable => {}
        }
    }
}

/// Writes a saved state into an empty database, reads it back and compares. The caller commits.
pub(super) async fn take(
    from: impl BufRead + Send,
    taker: &mut (impl Taker + Send),
) -> Result<(Arrival, Digests), StoreError> {
    let mut lines = Lines::open(from)?;
    let origin = lines.header().origin.clone();
    match taker.origin().await? {
        Some(here) if here.library != origin.library => {
            return Err(StoreError::OtherLibrary {
                expected: here.library,
                found: origin.library,
            });
        }
        Some(_) => {}
        None => return Err(StoreError::NoLibrary),
    }
    let is_empty = taker.is_empty().await?;
    if is_empty {
        taker.begin(&origin).await?;
    }
    let sent = loop {
        match lines.next()? {
            Item::Table(table) if is_empty => put_table(&mut lines, taker, table).await?,
            Item::End(digests) => break digests,
            Item::Table(_) | Item::Row(_) | Item::EndTable => {}
        }
    };
    let here = digests(taker).await?;
    match (sent.difference(&here), is_empty) {
        (None, true) => Ok((Arrival::Moved, here)),
        (None, false) => Ok((Arrival::Present, here)),
        (Some(table), true) => Err(StoreError::Arrived(table)),
        (Some(table), false) => Err(StoreError::Occupied(table)),
    }
}

async fn put_table(
    lines: &mut Lines<impl BufRead + Send>,
    taker: &mut (impl Taker + Send),
    table: &'static Table,
) -> Result<(), StoreError> {
    let (mut rows, mut bytes) = (Vec::new(), 0);
    loop {
        match lines.next()? {
            Item::Row(row) => {
                bytes += row.iter().map(Cell::size).sum::<usize>();
                rows.push(row);
                if rows.len() >= BATCH_ROWS || bytes >= BATCH_BYTES {
                    taker.put(table, std::mem::take(&mut rows)).await?;
                    bytes = 0;
                }
            }
            Item::EndTable => break,
            Item::Table(_) | Item::End(_) => {}
        }
    }
    if !rows.is_empty() {
        taker.put(table, rows).await?;
    }
    taker.end(table).await
}

/// The numbers that one database gave its tracks and playlists, each in the stream's order.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    tracks: Vec<i64>,
    playlists: Vec<i64>,
}

impl Numbers {
    /// Those of a table that other tables name.
    pub(super) fn of(&mut self, table: &Table) -> Option<&mut Vec<i64>> {
        match table.name {
            "tracks" => Some(&mut self.tracks),
            "playlists" => Some(&mut self.playlists),
            _ => None,
        }
    }

    fn kind(&self, kind: Kind) -> &[i64] {
        match kind {
            Kind::Playlist => &self.playlists,
            Kind::Track => &self.tracks,
            Kind::Text | Kind::Int | Kind::Bytes => &[],
        }
    }

    /// The place in the stream of the row with that number.
    pub(super) fn place(&self, kind: Kind, number: i64) -> Option<i64> {
        let place = self.kind(kind).binary_search(&number).ok()?;
        i64::try_from(place + 1).ok()
    }

    /// Puts this database's numbers in place of the stream's.
    ///
    /// # Errors
    /// When a row names one that is not in the stream.
    pub(super) fn resolve(&self, table: &Table, row: &mut [Cell]) -> Result<(), StoreError> {
        for (cell, (_, kind)) in row.iter_mut().zip(table.columns) {
            if let (Cell::Int(place), Kind::Playlist | Kind::Track) = (&mut *cell, kind) {
                let index = usize::try_from(*place - 1).ok();
                let number = index.and_then(|index| self.kind(*kind).get(index));
                let reason = "a row names a track or playlist that is not there";
                let number = number.ok_or(StoreError::BadExport { line: 0, reason })?;
                *cell = Cell::Int(*number);
            }
        }
        Ok(())
    }
}
