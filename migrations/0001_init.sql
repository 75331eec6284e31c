-- The store of dondoc. The text is taken by SQLite and PostgreSQL alike: BIGINT, TEXT and BYTEA only.
-- Instants are microseconds since 1970-01-01T00:00:00Z. Booleans are 0 and 1. JSON is TEXT.

-- Single values: cursor, generation, instants of the last turn, read, sweep and composing.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Since when each rule has been in force; a ticket that is older than its rule starts at the first step.
CREATE TABLE rule_seen (
    id    TEXT   NOT NULL PRIMARY KEY,
    since BIGINT NOT NULL
);

-- The last good row of each ticket (never title or body), what we remember beside it, and when it could next matter.
CREATE TABLE ticket (
    code        TEXT   NOT NULL PRIMARY KEY,
    state       TEXT   NOT NULL,
    memory      TEXT   NOT NULL,
    status_word TEXT   NOT NULL,
    updated_raw TEXT,
    is_open     BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    next_at     BIGINT,
    generation  BIGINT NOT NULL,
    missing     BIGINT NOT NULL,
    gone_at     BIGINT
);
CREATE INDEX ticket_due ON ticket (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX ticket_generation ON ticket (generation);

-- The change log: what a ticket's row and our memory of it were before each change. Undone backwards it gives the
-- tickets as they were at an instant.
CREATE TABLE change (
    id     BIGINT NOT NULL PRIMARY KEY,
    code   TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    seen   BIGINT NOT NULL,
    before TEXT   NOT NULL
);
CREATE INDEX change_code ON change (code, at);
CREATE INDEX change_at ON change (at);

-- What was decided to be told, once.
CREATE TABLE telling (
    id           BIGINT NOT NULL PRIMARY KEY,
    subject_kind TEXT   NOT NULL,
    subject      TEXT   NOT NULL,
    mode         TEXT   NOT NULL,
    rule         TEXT   NOT NULL,
    step         TEXT   NOT NULL,
    repetition   BIGINT NOT NULL,
    occurrence   TEXT   NOT NULL,
    due_at       BIGINT NOT NULL,
    decided_at   BIGINT NOT NULL,
    opening      BIGINT NOT NULL,
    settled_by   BIGINT,
    UNIQUE (subject, subject_kind, mode, rule, occurrence, step, repetition)
);
CREATE INDEX telling_settled_by ON telling (settled_by) WHERE settled_by IS NOT NULL;

-- To whom: the role as written, the id that it starts from, and the channel.
CREATE TABLE notice (
    id               BIGINT NOT NULL PRIMARY KEY,
    telling          BIGINT NOT NULL REFERENCES telling (id),
    role             TEXT   NOT NULL,
    start_unit       TEXT   NOT NULL,
    channel          TEXT   NOT NULL,
    cc               BIGINT NOT NULL,
    state            TEXT   NOT NULL,
    state_at         BIGINT NOT NULL,
    compose_at       BIGINT,
    first_attempt_at BIGINT,
    message          TEXT,
    UNIQUE (telling, role, start_unit, channel)
);
CREATE INDEX notice_waiting ON notice (compose_at, id) WHERE state = 'waiting';
CREATE INDEX notice_message ON notice (message) WHERE message IS NOT NULL;

-- A message never changes once it is here; every attempt sends the same bytes.
CREATE TABLE message (
    id               TEXT   NOT NULL PRIMARY KEY,
    mode             TEXT   NOT NULL,
    channel          TEXT   NOT NULL,
    form             TEXT   NOT NULL,
    unit             TEXT   NOT NULL,
    desk             TEXT   NOT NULL,
    matter           TEXT   NOT NULL,
    digest_key       TEXT UNIQUE,
    recipients       TEXT   NOT NULL,
    subject          TEXT   NOT NULL,
    rules            TEXT   NOT NULL,
    steps            TEXT   NOT NULL,
    notices          BIGINT NOT NULL,
    state            TEXT   NOT NULL,
    state_at         BIGINT NOT NULL,
    reason           TEXT,
    urgent           BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    first_attempt_at BIGINT,
    next_attempt_at  BIGINT,
    replace_at       BIGINT,
    attempts         BIGINT NOT NULL,
    unknown          BIGINT NOT NULL,
    claimed_by       TEXT,
    claimed_until    BIGINT
);
CREATE INDEX message_due ON message (next_attempt_at, id) WHERE state = 'waiting';
CREATE INDEX message_replace ON message (replace_at) WHERE state = 'waiting';
CREATE INDEX message_matter ON message (matter, created_at, id) WHERE state = 'accepted';
CREATE INDEX message_state ON message (state, created_at);

-- The bytes of a message, which every attempt sends. Apart, so that a change of state doesn't write them anew and so
-- that they can be pruned before their message.
CREATE TABLE body (
    message TEXT  NOT NULL PRIMARY KEY REFERENCES message (id),
    bytes   BYTEA NOT NULL
);

-- Which notices each message carried, replaced ones included.
CREATE TABLE message_notice (
    message TEXT   NOT NULL REFERENCES message (id),
    notice  BIGINT NOT NULL REFERENCES notice (id),
    PRIMARY KEY (message, notice)
);
CREATE INDEX message_notice_notice ON message_notice (notice);

-- Every attempt with its answer.
CREATE TABLE attempt (
    id      BIGINT NOT NULL PRIMARY KEY,
    message TEXT   NOT NULL REFERENCES message (id),
    at      BIGINT NOT NULL,
    answer  TEXT   NOT NULL,
    detail  TEXT   NOT NULL
);
CREATE INDEX attempt_message ON attempt (message, at);
