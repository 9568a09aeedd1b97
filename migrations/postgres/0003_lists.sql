-- What a machine's Rekordbox still has in a playlist although it left the playlist when another machine applied:
-- ours, and not the DJ's. The next apply of that machine takes it out, and `stands` becomes 0.

CREATE TABLE device_entries (
    library                  BIGINT NOT NULL REFERENCES meta (id),
    device                   TEXT NOT NULL,
    playlist_tidal_id        TEXT NOT NULL,
    track_tidal_id           TEXT NOT NULL,
    stands                   BIGINT NOT NULL CHECK (stands IN (0, 1)),
    PRIMARY KEY (library, device, playlist_tidal_id, track_tidal_id)
);
CREATE INDEX device_entries_by_playlist ON device_entries (library, playlist_tidal_id);
ALTER TABLE meta ALTER COLUMN schema_version SET DEFAULT 3;
UPDATE meta SET schema_version = 3;
