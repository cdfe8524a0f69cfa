-- From when on there is more of the budget for which a job was refused.
ALTER TABLE jobs ADD COLUMN failure_resets_at INTEGER;

-- Nonces that cannot come again are forgotten, the oldest first.
CREATE INDEX used_nonces_by_time ON used_nonces (used_at);
