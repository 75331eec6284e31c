-- Beside `message_state` an index of waiting messages serves only where an equality comes before the range: SQLite, which
-- knows nothing of how many wait, would go through all that do.
DROP INDEX message_due;
DROP INDEX message_replace;
CREATE INDEX message_due ON message (channel, next_attempt_at, id) WHERE state = 'waiting';
CREATE INDEX message_replace ON message (channel, replace_at, id) WHERE state = 'waiting';
