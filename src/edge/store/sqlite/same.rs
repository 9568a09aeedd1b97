//! What is asked in the same words as of a server.

use sqlx::{Sqlite, SqliteConnection, query, query_as, query_scalar, sqlite::SqliteRow};

/// Operations a statement; each has 15 values, and SQLite takes 32,766.
pub(super) const BATCH: usize = 500;

same_words!(Sqlite, SqliteConnection, SqliteRow);
