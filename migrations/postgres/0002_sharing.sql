-- Which plan an approval is of, as `applies` has it (the approval's own digest is of the review as well), and
-- which machine made a run: what it did to its Rekordbox is nobody else's to finish or to take back.

ALTER TABLE approvals ADD COLUMN plan TEXT NOT NULL DEFAULT '';
ALTER TABLE applies ADD COLUMN device TEXT;
ALTER TABLE meta ALTER COLUMN schema_version SET DEFAULT 2;
UPDATE meta SET schema_version = 2;
