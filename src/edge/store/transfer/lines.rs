//! The lines: a header, for each table its columns, its rows and their digest, and a digest of all.

use std::io::{self, BufRead, Write};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{
    Origin,
    table::{Cell, TABLES, Table},
};
use crate::edge::store::{SCHEMA_VERSION, StoreError};

const KIND: &str = "tidal-cleanup/state";
/// Raised when a table or a column comes or goes.
const FORMAT: u32 = 2;
/// The longest line that is read: a plan or a reading of hundreds of megabytes, packed.
const LONGEST: u64 = 1 << 30;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    kind: String,
    format: u32,
    schema: i64,
    /// The machine that wrote it; its Rekordbox is told apart from others' by this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<Timestamp>,
    pub origin: Origin,
}

impl Header {
    /// Of a state.
    #[must_use]
    pub fn of(origin: Origin) -> Self {
        Self {
            kind: KIND.to_owned(),
            format: FORMAT,
            schema: SCHEMA_VERSION,
            device: None,
            taken_at: None,
            origin,
        }
    }

    /// Written on that machine.
    #[must_use]
    pub(in crate::edge::store) fn written(self, device: String, at: Option<Timestamp>) -> Self {
        Self {
            device: Some(device),
            taken_at: at,
            ..self
        }
    }
}

/// How many rows a table has, and the SHA-256 of their lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableDigest {
    pub table: &'static str,
    pub rows: u64,
    pub sha256: String,
}

/// What a whole state is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Digests {
    pub tables: Vec<TableDigest>,
    /// Of the history's numbers and all tables.
    pub sha256: String,
}

impl Digests {
    fn of(origin: &Origin, tables: Vec<TableDigest>) -> io::Result<Self> {
        let told = serde_json::to_vec(&(origin, &tables))?;
        let sha256 = hex(Sha256::digest(told).as_slice());
        Ok(Self { tables, sha256 })
    }

    /// The first table that differs; `meta` when only the history's numbers do.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let pairs = self.tables.iter().zip(&other.tables);
        let differing = pairs
            .filter(|(one, two)| one != two)
            .map(|(one, _)| one.table);
        let all = differing.chain((self.sha256 != other.sha256).then_some("meta"));
        all.map(str::to_owned).next()
    }
}

#[derive(Serialize, Deserialize)]
struct Begin<'a> {
    table: &'a str,
    columns: Vec<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct End<'a> {
    end: &'a str,
    rows: u64,
    sha256: String,
}

const ALL: &str = "state";

/// Writes the lines.
pub(in crate::edge::store) struct Writer<W> {
    out: W,
    origin: Origin,
    open: Option<(&'static str, u64, Sha256)>,
    tables: Vec<TableDigest>,
}

impl<W: Write> Writer<W> {
    pub(super) fn begin(out: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self {
            out,
            origin: header.origin.clone(),
            open: None,
            tables: Vec::new(),
        };
        writer.line(header)?;
        Ok(writer)
    }

    pub(super) fn table(&mut self, table: &'static Table) -> io::Result<()> {
        let columns = table.columns.iter().map(|(name, _)| *name).collect();
        self.line(&Begin {
            table: table.name,
            columns,
        })?;
        self.open = Some((table.name, 0, Sha256::new()));
        Ok(())
    }

    pub(super) fn row(&mut self, _table: &Table, row: &[Cell]) -> io::Result<()> {
        let values: Vec<Value> = row.iter().map(Cell::to_json).collect();
        let mut line = serde_json::to_vec(&values)?;
        line.push(b'\n');
        if let Some((_, rows, hash)) = &mut self.open {
            *rows += 1;
            hash.update(&line);
        }
        self.out.write_all(&line)
    }

    pub(super) fn end_table(&mut self) -> io::Result<()> {
        let Some((table, rows, hash)) = self.open.take() else {
            return Ok(());
        };
        let sha256 = hex(hash.finalize().as_slice());
        self.line(&End {
            end: table,
            rows,
            sha256: sha256.clone(),
        })?;
        self.tables.push(TableDigest {
            table,
            rows,
            sha256,
        });
        Ok(())
    }

    pub(super) fn end(mut self) -> io::Result<Digests> {
        let digests = Digests::of(&self.origin, std::mem::take(&mut self.tables))?;
        self.line(&End {
            end: ALL,
            rows: digests.tables.iter().map(|table| table.rows).sum(),
            sha256: digests.sha256.clone(),
        })?;
        self.out.flush()?;
        Ok(digests)
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, value)?;
        self.out.write_all(b"\n")
    }
}

/// A line.
pub(in crate::edge::store) enum Item {
    Table(&'static Table),
    Row(Vec<Cell>),
    EndTable,
    /// The last one: the whole state was read, and is what was written.
    End(Digests),
}

/// Reads the lines and compares the digests as they come.
pub(in crate::edge::store) struct Lines<R> {
    from: R,
    header: Header,
    /// Of the line that was read last, from 1.
    number: u64,
    line: Vec<u8>,
    open: Option<(&'static Table, u64, Sha256)>,
    tables: Vec<TableDigest>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn open(from: R) -> Result<Self, StoreError> {
        let mut lines = Self {
            from,
            // Replaced by the first line.
            header: Header::of(Origin {
                library: String::new().into(),
                lineage: String::new(),
                serial: 0,
                fencing: 0,
            }),
            number: 0,
            line: Vec::new(),
            open: None,
            tables: Vec::new(),
        };
        lines.read()?;
        let header: Header = serde_json::from_slice(&lines.line)
            .map_err(|_| lines.bad("it is no state that `db export` saved"))?;
        if header.kind != KIND {
            return Err(lines.bad("it is no state that `db export` saved"));
        }
        if header.format != FORMAT || header.schema > SCHEMA_VERSION {
            return Err(lines.bad("it is of another version of this program"));
        }
        lines.header = header;
        Ok(lines)
    }

    pub(super) const fn header(&self) -> &Header {
        &self.header
    }

    /// The next line; not to be called again after [`Item::End`].
    pub(super) fn next(&mut self) -> Result<Item, StoreError> {
        self.read()?;
        if self.line.first() == Some(&b'[') {
            return self.row();
        }
        if let Ok(end) = serde_json::from_slice::<End<'_>>(&self.line) {
            let (name, rows, sha256) = (end.end.to_owned(), end.rows, end.sha256);
            return match self.open.take() {
                Some((table, counted, hash)) => {
                    let hashed = hex(hash.finalize().as_slice());
                    if (name.as_str(), rows, &sha256) != (table.name, counted, &hashed) {
                        return Err(self.bad("the rows before it are not those that were saved"));
                    }
                    self.tables.push(TableDigest {
                        table: table.name,
                        rows,
                        sha256,
                    });
                    Ok(Item::EndTable)
                }
                None => self.end(&name, &sha256),
            };
        }
        let table = TABLES.get(self.tables.len()).filter(|table| {
            serde_json::from_slice::<Begin<'_>>(&self.line).is_ok_and(|begin| {
                let columns = table.columns.iter().map(|(name, _)| *name);
                begin.table == table.name && begin.columns.iter().copied().eq(columns)
            })
        });
        match table.filter(|_| self.open.is_none()) {
            Some(table) => {
                self.open = Some((table, 0, Sha256::new()));
                Ok(Item::Table(table))
            }
            None => Err(self.bad("another table was expected here")),
        }
    }

    fn row(&mut self) -> Result<Item, StoreError> {
        let Some((table, rows, hash)) = &mut self.open else {
            return Err(self.bad("a row of no table"));
        };
        hash.update(&self.line);
        hash.update(b"\n");
        *rows += 1;
        let columns = table.columns;
        let values: Vec<Value> =
            serde_json::from_slice(&self.line).map_err(|_| self.bad("it is cut, or no row"))?;
        if values.len() != columns.len() {
            return Err(self.bad("it has another number of columns than its table"));
        }
        let cells = values.into_iter().zip(columns);
        let cells = cells.map(|(value, (_, kind))| Cell::of_json(value, *kind));
        match cells.collect() {
            Some(cells) => Ok(Item::Row(cells)),
            None => Err(self.bad("a value does not fit its column")),
        }
    }

    fn end(&mut self, name: &str, sha256: &str) -> Result<Item, StoreError> {
        let tables = std::mem::take(&mut self.tables);
        if name != ALL || tables.len() != TABLES.len() {
            return Err(self.bad("a table is missing"));
        }
        let digests = Digests::of(&self.header.origin, tables)
            .map_err(|_| self.bad("its digest cannot be computed"))?;
        match digests.sha256 == sha256 {
            true => Ok(Item::End(digests)),
            false => Err(self.bad("the state is not the one that was saved")),
        }
    }

    fn read(&mut self) -> Result<(), StoreError> {
        self.line.clear();
        self.number += 1;
        let limited = &mut io::Read::take(&mut self.from, LONGEST);
        let read = limited.read_until(b'\n', &mut self.line);
        read.map_err(|source| StoreError::Io {
            doing: "read",
            path: "the saved state".to_owned(),
            source,
        })?;
        match self.line.pop() {
            Some(b'\n') => Ok(()),
            Some(_) | None => Err(self.bad("it ends in the middle")),
        }
    }

    fn bad(&self, reason: &'static str) -> StoreError {
        StoreError::BadExport {
            line: self.number,
            reason,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
