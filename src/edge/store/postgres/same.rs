//! What is asked in the same words as of a file.

use sqlx::{PgConnection, Postgres, postgres::PgRow};

use super::ask::{query, query_as, query_scalar};

same_words!(Postgres, PgConnection, PgRow);
