-- What a shared state has as well: who agreed to which plan, and what other machines' Rekordbox calls things.
-- The latter is only kept here, so that a state that came from a server goes back whole; this machine's own
-- stands where it always did.

CREATE TABLE approvals (
    library                  INTEGER NOT NULL REFERENCES meta (id),
    digest                   TEXT NOT NULL,         -- of the plan and its review
    plan                     TEXT NOT NULL,         -- of the plan alone, as `applies` has it
    who                      TEXT NOT NULL,
    at                       TEXT NOT NULL,
    PRIMARY KEY (library, digest, who)
) STRICT;

CREATE TABLE device_ids (
    library                  INTEGER NOT NULL REFERENCES meta (id),
    device                   TEXT NOT NULL,
    kind                     TEXT NOT NULL CHECK (kind IN ('track', 'playlist')),
    tidal_id                 TEXT NOT NULL,
    rekordbox_id             TEXT,
    PRIMARY KEY (library, device, kind, tidal_id)
) STRICT;

CREATE TABLE device_objects (
    library                  INTEGER NOT NULL REFERENCES meta (id),
    device                   TEXT NOT NULL,
    object_key               TEXT NOT NULL,         -- JSON
    kind                     TEXT NOT NULL,
    rekordbox_id             TEXT NOT NULL,
    provenance               TEXT NOT NULL,
    created_at               TEXT NOT NULL,
    updated_at               TEXT NOT NULL,
    deleted_at               TEXT,
    PRIMARY KEY (library, device, object_key)
) STRICT;

-- Which machine made a run; empty: this one.
ALTER TABLE applies ADD COLUMN device TEXT;
