-- What is known about partners' keys over time. Values are raw bytes; times are milliseconds, windows whole seconds,
-- both since 1970-01-01 UTC.

-- Every TLS pin that was on a card of a partner. A pin that is no longer on its card stays, with its window closed,
-- because agreements name it.
CREATE TABLE peer_pins (
    pin        BLOB PRIMARY KEY NOT NULL,
    peer       TEXT NOT NULL REFERENCES peers (name) ON DELETE CASCADE,
    anchor     TEXT NOT NULL CHECK (anchor IN ('leaf', 'authority')),
    spiffe_id  TEXT,
    not_before INTEGER,
    not_after  INTEGER
) STRICT;

CREATE INDEX peer_pins_by_peer ON peer_pins (peer);

-- Every organisation key of a partner; the largest position is the present one.
CREATE TABLE peer_keys (
    key      BLOB PRIMARY KEY NOT NULL,
    peer     TEXT NOT NULL REFERENCES peers (name) ON DELETE CASCADE,
    position INTEGER NOT NULL
) STRICT;

CREATE INDEX peer_keys_by_peer ON peer_keys (peer);

-- Withdrawn keys. They stay when the partner is removed, so that no later card brings them back.
CREATE TABLE revoked_keys (
    value      BLOB PRIMARY KEY NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('tls', 'organisation')),
    peer       TEXT NOT NULL,
    revoked_at INTEGER NOT NULL
) STRICT;

-- Which of this node's cards a partner has taken, and how the last try to hand one over went.
CREATE TABLE card_updates (
    peer     TEXT PRIMARY KEY NOT NULL REFERENCES peers (name) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    tried_at INTEGER NOT NULL,
    failure  TEXT
) STRICT;

INSERT INTO peer_pins (pin, peer, anchor) SELECT spki_pin, name, 'leaf' FROM peers;
INSERT INTO peer_keys (key, peer, position) SELECT organisation_key, name, 0 FROM peers;
