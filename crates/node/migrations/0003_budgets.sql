-- What a job uses up beside its rows, and what both sides brought to it. `asks` says who gets the result. The rows of
-- jobs accepted before this have neither sizes nor commitments, and no sign of probing is looked for in them.
ALTER TABLE spends ADD COLUMN lookups INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spends ADD COLUMN epsilon INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spends ADD COLUMN asks TEXT CHECK (asks IN ('own', 'peer', 'both'));
ALTER TABLE spends ADD COLUMN rows_own INTEGER;
ALTER TABLE spends ADD COLUMN rows_peer INTEGER;
ALTER TABLE spends ADD COLUMN input_own BLOB;
ALTER TABLE spends ADD COLUMN input_peer BLOB;

CREATE INDEX spends_by_time ON spends (agreement_id, spent_at);

-- What this node remembers of inputs it asked a partner with: a keyed digest and a keyed sample of the keys. They never
-- leave the home, and the secret they are keyed with is not in this file.
CREATE TABLE input_marks (
    peer_key BLOB NOT NULL,
    digest   BLOB NOT NULL,
    keys     INTEGER NOT NULL,
    sketch   BLOB NOT NULL,
    seen_at  INTEGER NOT NULL,
    PRIMARY KEY (peer_key, digest)
) STRICT;

-- Signs of probing. `found` and `compared` are counts.
CREATE TABLE alerts (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    agreement_id BLOB NOT NULL REFERENCES agreements (id),
    peer         TEXT NOT NULL,
    job_id       BLOB NOT NULL,
    sign         TEXT NOT NULL,
    found        INTEGER NOT NULL,
    compared     INTEGER NOT NULL,
    refused      INTEGER NOT NULL,
    raised_at    INTEGER NOT NULL,
    seen_at      INTEGER,
    note         TEXT
) STRICT;
