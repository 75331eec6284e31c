-- What ops hold back for a while: the scope in JSON as they wrote it; `ended_at` where it was ended before its time.
CREATE TABLE silence (
    id       BIGINT NOT NULL PRIMARY KEY,
    scope    TEXT   NOT NULL,
    from_at  BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    author   TEXT   NOT NULL,
    reason   TEXT   NOT NULL,
    made_at  BIGINT NOT NULL,
    ended_at BIGINT,
    ended_by TEXT
);
CREATE INDEX silence_until ON silence (until_at);

-- A unit knows of a ticket's occurrence and is not reminded of it for a while; once.
CREATE TABLE acknowledgement (
    id         BIGINT NOT NULL PRIMARY KEY,
    ticket     TEXT   NOT NULL,
    unit       TEXT   NOT NULL,
    occurrence TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    until_at   BIGINT NOT NULL,
    author     TEXT   NOT NULL,
    note       TEXT,
    UNIQUE (ticket, unit, occurrence)
);

-- What a waiting notice waits for beside its recipient's digest or office hours.
ALTER TABLE notice ADD COLUMN wait TEXT;
CREATE INDEX notice_wait ON notice (wait) WHERE wait IS NOT NULL;
