-- The counts that a summary told, for the next one to compare with.
CREATE TABLE summary_figures (
    telling BIGINT NOT NULL PRIMARY KEY REFERENCES telling (id),
    until   BIGINT NOT NULL,
    figures TEXT   NOT NULL
);

-- What is counted on and on: turns, rows that could not be taken.
CREATE TABLE tally (
    name  TEXT   NOT NULL PRIMARY KEY,
    count BIGINT NOT NULL
);

-- What ops have to look at: since when, when they were told of it, when it was over, and when they were told that.
CREATE TABLE alarm (
    id             BIGINT NOT NULL PRIMARY KEY,
    kind           TEXT   NOT NULL,
    subject        TEXT   NOT NULL,
    detail         TEXT   NOT NULL,
    raised_at      BIGINT NOT NULL,
    told_at        BIGINT,
    cleared_at     BIGINT,
    clear_told_at  BIGINT
);
CREATE UNIQUE INDEX alarm_open ON alarm (kind, subject) WHERE cleared_at IS NULL;
CREATE INDEX alarm_untold ON alarm (raised_at) WHERE told_at IS NULL OR clear_told_at IS NULL;
CREATE INDEX alarm_raised ON alarm (raised_at);

-- What summaries count: open tickets, those received lately, what was told and answered lately.
CREATE INDEX ticket_open ON ticket (code) WHERE is_open = 1;
CREATE INDEX ticket_received ON ticket (received_at);
CREATE INDEX notice_accepted ON notice (state_at) WHERE state = 'accepted';
CREATE INDEX attempt_at ON attempt (at);
