-- State of one node. Times are milliseconds since 1970-01-01 UTC; keys, digests and ids are raw bytes.

CREATE TABLE tables (
    name     TEXT PRIMARY KEY NOT NULL,
    spec     TEXT NOT NULL,
    rows     INTEGER NOT NULL,
    added_at INTEGER NOT NULL
) STRICT;

CREATE TABLE peers (
    name             TEXT PRIMARY KEY NOT NULL,
    institution      TEXT NOT NULL,
    organisation_key BLOB NOT NULL UNIQUE,
    spki_pin         BLOB NOT NULL UNIQUE,
    endpoint         TEXT NOT NULL,
    card             TEXT NOT NULL,
    added_at         INTEGER NOT NULL
) STRICT;

-- The document is kept exactly as it came; the state follows from the signatures found in it.
CREATE TABLE agreements (
    id          BLOB PRIMARY KEY NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('draft', 'proposed', 'signed', 'active')),
    title       TEXT NOT NULL,
    peer_key    BLOB NOT NULL,
    document    BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    changed_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE jobs (
    id               BLOB PRIMARY KEY NOT NULL,
    request_id       TEXT UNIQUE,
    agreement_id     BLOB NOT NULL REFERENCES agreements (id),
    peer_key         BLOB NOT NULL,
    peer             TEXT NOT NULL,
    side             TEXT NOT NULL CHECK (side IN ('initiator', 'responder')),
    protocol         TEXT NOT NULL,
    result           TEXT NOT NULL,
    table_name       TEXT NOT NULL,
    columns          TEXT NOT NULL,
    own_columns      TEXT NOT NULL,
    output           TEXT,
    purpose          TEXT NOT NULL,
    state            TEXT NOT NULL,
    failure_reason   TEXT,
    failure_incident TEXT,
    sid              BLOB UNIQUE,
    rows_own         INTEGER,
    rows_peer        INTEGER,
    created_at       INTEGER NOT NULL,
    started_at       INTEGER,
    finished_at      INTEGER
) STRICT;

CREATE INDEX jobs_by_time ON jobs (created_at);
CREATE INDEX jobs_unfinished ON jobs (state) WHERE finished_at IS NULL;

-- One row for each accepted job, written in the transaction that accepts it and never removed.
CREATE TABLE spends (
    job_id       BLOB PRIMARY KEY NOT NULL REFERENCES jobs (id),
    agreement_id BLOB NOT NULL REFERENCES agreements (id),
    rows         INTEGER NOT NULL,
    spent_at     INTEGER NOT NULL
) STRICT;

CREATE INDEX spends_by_agreement ON spends (agreement_id);

CREATE TABLE results (
    job_id    BLOB PRIMARY KEY NOT NULL REFERENCES jobs (id),
    directory TEXT NOT NULL,
    file      TEXT,
    rows      INTEGER,
    matched   INTEGER,
    sha256    BLOB,
    manifest  TEXT NOT NULL
) STRICT;

-- Nonces of offers taken, so that a recorded offer cannot be played again.
CREATE TABLE used_nonces (
    nonce   BLOB PRIMARY KEY NOT NULL,
    used_at INTEGER NOT NULL
) STRICT;
