-- The life of agreements after they were signed. Times are milliseconds since 1970-01-01 UTC unless said otherwise.

-- The earlier version an agreement takes the place of once it is active.
ALTER TABLE agreements ADD COLUMN replaces BLOB;
CREATE INDEX agreements_by_replaced ON agreements (replaces) WHERE replaces IS NOT NULL;

-- What the parties said about an agreement, each as it was signed; the last one of a party counts. `time` is in seconds,
-- as it was signed. Own notices wait until the other party has them.
CREATE TABLE notices (
    agreement_id BLOB NOT NULL REFERENCES agreements (id),
    own          INTEGER NOT NULL CHECK (own IN (0, 1)),
    sequence     INTEGER NOT NULL CHECK (sequence > 0),
    kind         TEXT NOT NULL CHECK (kind IN ('suspend', 'resume', 'revoke')),
    time         INTEGER NOT NULL,
    word         TEXT,
    signature    BLOB NOT NULL,
    recorded_at  INTEGER NOT NULL,
    delivered_at INTEGER,
    PRIMARY KEY (agreement_id, own, sequence)
) STRICT;

CREATE INDEX notices_undelivered ON notices (agreement_id) WHERE own = 1 AND delivered_at IS NULL;

-- What this institution holds back of an agreement, as JSON.
CREATE TABLE tightenings (
    agreement_id BLOB PRIMARY KEY NOT NULL REFERENCES agreements (id),
    terms        TEXT NOT NULL,
    changed_at   INTEGER NOT NULL
) STRICT;
