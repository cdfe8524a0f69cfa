-- The key of each job that has a file, sealed under the home's key-encryption key. Deleting a job takes the key away
-- and leaves the time; a deleted job without a file has a row without ever having had a key.
CREATE TABLE job_keys (
    job_id       BLOB PRIMARY KEY NOT NULL REFERENCES jobs (id),
    sealed       BLOB,
    destroyed_at INTEGER,
    CHECK ((sealed IS NULL) = (destroyed_at IS NOT NULL))
) STRICT;
