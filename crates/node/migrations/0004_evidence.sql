-- What this node saw of its peers' evidence logs, what peers vouched for of its own, and the receipts of its jobs.

-- A head is an end of a log that no later verified end is known to continue; a conflict is one that contradicts.
CREATE TABLE peer_checkpoints (
    origin   BLOB NOT NULL,
    size     INTEGER NOT NULL,
    root     BLOB NOT NULL,
    peer_key BLOB NOT NULL,
    state    TEXT NOT NULL CHECK (state IN ('head', 'past', 'conflict')),
    note     TEXT NOT NULL,
    seen_at  INTEGER NOT NULL,
    PRIMARY KEY (origin, size, root)
) STRICT;

CREATE TABLE own_checkpoints (
    size      INTEGER NOT NULL,
    peer_key  BLOB NOT NULL,
    note      TEXT NOT NULL,
    signed_at INTEGER NOT NULL,
    PRIMARY KEY (size, peer_key)
) STRICT;

CREATE TABLE receipts (
    job_id   BLOB PRIMARY KEY NOT NULL REFERENCES jobs (id),
    sid      BLOB NOT NULL UNIQUE,
    receipt  TEXT NOT NULL,
    made_at  INTEGER NOT NULL
) STRICT;
