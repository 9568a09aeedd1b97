-- The state database. Migrations are append-only: a file that was released is never edited.
--
-- Every row belongs to a library (`library`, a row of `meta`). One SQLite file holds one library, so the
-- column costs a byte a row here; a shared PostgreSQL holds several, and the same statements serve both.
--
-- Rows are never deleted. `deleted_at` says when a row left the state; what refers to it still finds it, and
-- an id that comes back revives its row. TIDAL's ids are text, timestamps are RFC 3339 in UTC, flags are 0 or 1.

CREATE TABLE meta (
    id              INTEGER PRIMARY KEY,
    library_id      TEXT UNIQUE,                    -- of the canary; NULL before `db init`
    lineage         TEXT NOT NULL,                  -- a UUID of this history
    serial          INTEGER NOT NULL DEFAULT 0,     -- + 1 with every closed run
    fencing         INTEGER NOT NULL DEFAULT 0,     -- + 1 with every run begun or taken over
    schema_version  INTEGER NOT NULL DEFAULT 1      -- the newest migration that has run
) STRICT;

CREATE TABLE tracks (
    id                       INTEGER PRIMARY KEY,
    tidal_id                 TEXT,                  -- NULL for local-only tracks
    title                    TEXT NOT NULL,
    artist                   TEXT NOT NULL,
    album                    TEXT,
    year                     INTEGER,
    genre                    TEXT,
    duration_seconds         INTEGER,
    isrc                     TEXT,
    normalized_name          TEXT NOT NULL,
    file_path                TEXT,                  -- relative to the library
    file_size_bytes          INTEGER,
    file_format              TEXT,
    file_hash                TEXT,                  -- SHA-256
    file_last_modified       TEXT,                  -- when we last wrote or verified it
    rekordbox_content_id     TEXT,
    created_at               TEXT NOT NULL,
    updated_at               TEXT NOT NULL,
    last_seen_in_tidal       TEXT,
    -- beyond the design
    library                  INTEGER NOT NULL REFERENCES meta (id),
    version                  TEXT,
    artists                  TEXT NOT NULL DEFAULT '[]',    -- JSON list, in TIDAL's order
    explicit                 INTEGER CHECK (explicit IN (0, 1)),
    release_date             TEXT,
    media_tags               TEXT NOT NULL DEFAULT '[]',    -- JSON list
    streamable               INTEGER CHECK (streamable IN (0, 1)),
    home_playlist_tidal_id   TEXT,                  -- whose folder holds the file
    deleted_at               TEXT,
    UNIQUE (library, tidal_id)
) STRICT;
CREATE INDEX tracks_by_normalized_name ON tracks (library, normalized_name);
CREATE INDEX tracks_by_file_path ON tracks (library, file_path);
CREATE INDEX tracks_by_artist_title ON tracks (library, artist, title);
CREATE INDEX tracks_by_isrc ON tracks (library, isrc);

CREATE TABLE playlists (
    id                       INTEGER PRIMARY KEY,
    tidal_id                 TEXT,                  -- NULL for local ones
    name                     TEXT NOT NULL,
    description              TEXT NOT NULL DEFAULT '',
    local_folder_path        TEXT,                  -- relative to the library
    rekordbox_playlist_id    TEXT,
    created_at               TEXT NOT NULL,
    updated_at               TEXT NOT NULL,
    last_synced_at           TEXT,
    last_seen_in_tidal       TEXT,
    track_count_tidal        INTEGER NOT NULL DEFAULT 0,
    track_count_local        INTEGER NOT NULL DEFAULT 0,
    track_count_rekordbox    INTEGER NOT NULL DEFAULT 0,
    -- beyond the design
    library                  INTEGER NOT NULL REFERENCES meta (id),
    provenance               TEXT NOT NULL CHECK (provenance IN ('tidal', 'adopted', 'foreign')),
    deleted_at               TEXT,                  -- gone from TIDAL; the row is still part of the state
    forgotten_at             TEXT,                  -- left the state: its making was undone
    UNIQUE (library, tidal_id),
    CHECK (forgotten_at IS NULL OR deleted_at IS NOT NULL)
) STRICT;
CREATE INDEX playlists_by_name ON playlists (library, name);

-- One row is one stay of a track in a playlist. A track may stand twice in it, so that the position is unique
-- and not the track. A stay that is over has no position.
CREATE TABLE playlist_tracks (
    id                       INTEGER PRIMARY KEY,
    playlist_id              INTEGER NOT NULL REFERENCES playlists (id),
    track_id                 INTEGER NOT NULL REFERENCES tracks (id),
    position                 INTEGER CHECK (position >= 0),
    in_tidal                 INTEGER NOT NULL DEFAULT 0 CHECK (in_tidal IN (0, 1)),
    in_local                 INTEGER NOT NULL DEFAULT 0 CHECK (in_local IN (0, 1)),
    in_rekordbox             INTEGER NOT NULL DEFAULT 0 CHECK (in_rekordbox IN (0, 1)),
    added_to_tidal           TEXT,
    added_to_local           TEXT,
    added_to_rekordbox       TEXT,
    removed_from_tidal       TEXT,
    created_at               TEXT NOT NULL,
    updated_at               TEXT NOT NULL,
    -- beyond the design
    library                  INTEGER NOT NULL REFERENCES meta (id),
    UNIQUE (playlist_id, position)
) STRICT;
CREATE INDEX playlist_tracks_by_track ON playlist_tracks (track_id);
CREATE INDEX playlist_tracks_by_place ON playlist_tracks (library, in_tidal, in_local, in_rekordbox);

-- Files that we made, adopted or linked. A file without a row is the user's own.
CREATE TABLE files (
    id                       INTEGER PRIMARY KEY,
    library                  INTEGER NOT NULL REFERENCES meta (id),
    path                     TEXT NOT NULL,         -- relative to the library or a source
    role                     TEXT NOT NULL CHECK (role IN ('track', 'copy', 'playlist')),
    provenance               TEXT NOT NULL CHECK (provenance IN ('tidal', 'adopted', 'foreign')),
    track_tidal_id           TEXT,
    playlist_tidal_id        TEXT,
    size_bytes               INTEGER NOT NULL CHECK (size_bytes >= 0),
    hash                     TEXT,                  -- SHA-256
    created_at               TEXT NOT NULL,
    updated_at               TEXT NOT NULL,
    deleted_at               TEXT,
    UNIQUE (library, path)
) STRICT;
CREATE INDEX files_by_track ON files (library, track_tidal_id);

-- Rekordbox objects that we made or adopted, by meaning.
CREATE TABLE rekordbox_objects (
    id                       INTEGER PRIMARY KEY,
    library                  INTEGER NOT NULL REFERENCES meta (id),
    kind                     TEXT NOT NULL
        CHECK (kind IN ('folder', 'playlist', 'smart', 'tag', 'tag_link', 'content')),
    object_key               TEXT NOT NULL,         -- JSON
    rekordbox_id             TEXT NOT NULL,         -- the row's ID in master.db
    provenance               TEXT NOT NULL CHECK (provenance IN ('tidal', 'adopted', 'foreign')),
    created_at               TEXT NOT NULL,
    updated_at               TEXT NOT NULL,
    deleted_at               TEXT,
    UNIQUE (library, object_key)
) STRICT;

-- One row a run.
CREATE TABLE applies (
    library                  INTEGER NOT NULL REFERENCES meta (id),
    id                       INTEGER NOT NULL,      -- counted from 1 in each library
    mode                     TEXT NOT NULL,
    status                   TEXT NOT NULL CHECK (status IN ('running', 'completed', 'partial', 'undone')),
    digest                   TEXT NOT NULL,
    policy_sha256            TEXT NOT NULL,
    who                      TEXT NOT NULL,
    undoes                   INTEGER,
    fencing                  INTEGER NOT NULL,      -- of whoever began it or took it over last
    started_at               TEXT NOT NULL,
    resumed_at               TEXT,
    finished_at              TEXT,
    pending                  INTEGER NOT NULL,      -- operations by status, as of the last closing
    running                  INTEGER NOT NULL,
    completed                INTEGER NOT NULL,
    failed                   INTEGER NOT NULL,
    skipped                  INTEGER NOT NULL,
    plan                     BLOB NOT NULL,         -- canonical JSON, gzip
    PRIMARY KEY (library, id),
    FOREIGN KEY (library, undoes) REFERENCES applies (library, id)
) STRICT;
CREATE UNIQUE INDEX applies_one_unfinished ON applies (library) WHERE status = 'running';

-- One row an action. An audit trail: nothing cascades into it.
CREATE TABLE sync_operations (
    id                       INTEGER PRIMARY KEY,
    operation_type           TEXT NOT NULL,
    status                   TEXT NOT NULL
        CHECK (status IN ('pending', 'running', 'completed', 'failed', 'skipped')),
    playlist_id              INTEGER REFERENCES playlists (id),
    track_id                 INTEGER REFERENCES tracks (id),
    action                   TEXT CHECK (action IN ('add', 'remove', 'update', 'move')),
    source                   TEXT CHECK (source IN ('tidal', 'local', 'rekordbox')),
    target                   TEXT CHECK (target IN ('tidal', 'local', 'rekordbox')),
    details                  TEXT,                  -- JSON, for what has no column
    error_message            TEXT,
    created_at               TEXT NOT NULL,
    started_at               TEXT,
    completed_at             TEXT,
    -- beyond the design
    library                  INTEGER NOT NULL REFERENCES meta (id),
    apply_id                 INTEGER NOT NULL,
    seq                      INTEGER NOT NULL CHECK (seq >= 0),
    action_id                TEXT NOT NULL,
    kind                     TEXT NOT NULL,
    change_type              TEXT,
    rule                     TEXT NOT NULL,
    label                    TEXT NOT NULL,
    pre_image                TEXT,                  -- JSON
    post_image               TEXT,                  -- JSON
    trash_path               TEXT,
    playlist_tidal_id        TEXT,
    track_tidal_id           TEXT,
    UNIQUE (library, apply_id, seq),
    FOREIGN KEY (library, apply_id) REFERENCES applies (library, id)
) STRICT;
CREATE INDEX sync_operations_by_run ON sync_operations (library, apply_id, status);
CREATE INDEX sync_operations_open ON sync_operations (library, status)
    WHERE status IN ('pending', 'running');
CREATE INDEX sync_operations_by_type ON sync_operations (library, operation_type);
CREATE INDEX sync_operations_by_time ON sync_operations (library, created_at);
CREATE INDEX sync_operations_by_playlist ON sync_operations (library, playlist_tidal_id, apply_id, seq);
CREATE INDEX sync_operations_by_track ON sync_operations (library, track_tidal_id, apply_id, seq);
CREATE INDEX sync_operations_of_playlist ON sync_operations (playlist_id);
CREATE INDEX sync_operations_of_track ON sync_operations (track_id);

CREATE TABLE sync_snapshots (
    id                       INTEGER PRIMARY KEY,
    snapshot_type            TEXT NOT NULL CHECK (snapshot_type IN ('tidal', 'local', 'rekordbox')),
    snapshot_data            BLOB NOT NULL,         -- JSON, gzip
    playlist_count           INTEGER,
    track_count              INTEGER,
    created_at               TEXT NOT NULL,
    -- beyond the design
    library                  INTEGER NOT NULL REFERENCES meta (id),
    complete                 INTEGER NOT NULL CHECK (complete IN (0, 1))
) STRICT;
CREATE INDEX sync_snapshots_by_type ON sync_snapshots (library, snapshot_type, created_at);
