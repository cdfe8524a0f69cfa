-- Decisions: what was asked, what was answered, by which policies. Batches of one job are one row with their number.
-- There is no reference to jobs, for an offer that is refused leaves no job.
CREATE TABLE decisions (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    decided_at   INTEGER NOT NULL,
    action       TEXT NOT NULL,
    job_id       BLOB,
    agreement_id BLOB,
    peer_key     BLOB,
    allowed      INTEGER NOT NULL CHECK (allowed IN (0, 1)),
    reason       TEXT NOT NULL,
    policies     TEXT NOT NULL,
    policy_set   BLOB NOT NULL,
    checks       INTEGER NOT NULL,
    facts        TEXT NOT NULL
) STRICT;

CREATE INDEX decisions_by_job ON decisions (job_id);

-- What each peer last declared about itself, under its organisation key.
CREATE TABLE postures (
    peer_key    BLOB PRIMARY KEY NOT NULL,
    build       BLOB NOT NULL,
    config      BLOB NOT NULL,
    policy_set  BLOB NOT NULL,
    not_before  INTEGER NOT NULL,
    not_after   INTEGER NOT NULL,
    build_since INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL
) STRICT;
