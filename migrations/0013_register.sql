-- The register of the monthly cycle: directives, what is owed by them, and what was recorded about it. Dates are ISO texts.

-- The Chairman's directive on a period; the last one recorded counts.
CREATE TABLE directive (
    id           BIGINT NOT NULL PRIMARY KEY,
    period       TEXT   NOT NULL,
    number       TEXT   NOT NULL,
    date         TEXT   NOT NULL,
    reply_before TEXT   NOT NULL,
    standing     BIGINT NOT NULL,
    author       TEXT   NOT NULL,
    at           BIGINT NOT NULL
);
CREATE INDEX directive_period ON directive (period, id);

-- Which tickets stand under which obligation at a period's cut-off: revision 0 while figures are checked; else the first
-- revision that had it.
CREATE TABLE member (
    period   TEXT   NOT NULL,
    unit     TEXT   NOT NULL,
    kind     TEXT   NOT NULL,
    code     TEXT   NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (period, unit, kind, code, revision)
);
CREATE INDEX member_code ON member (code);

-- What a unit owes. `untaken` counts what was recorded about it since a turn took it up.
CREATE TABLE obligation (
    period        TEXT   NOT NULL,
    unit          TEXT   NOT NULL,
    kind          TEXT   NOT NULL,
    opened_at     BIGINT NOT NULL,
    changed_at    BIGINT NOT NULL,
    office_saw_at BIGINT,
    untaken       BIGINT NOT NULL,
    PRIMARY KEY (period, unit, kind)
);
CREATE INDEX obligation_untaken ON obligation (period) WHERE untaken > 0;

-- What people recorded, one line an obligation or ticket; what was recorded together bears one batch. Nothing is changed
-- here but to take a batch back.
CREATE TABLE entry (
    id         BIGINT NOT NULL PRIMARY KEY,
    batch      BIGINT NOT NULL,
    what       TEXT   NOT NULL,
    period     TEXT   NOT NULL,
    unit       TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    code       TEXT,
    number     TEXT,
    date       TEXT,
    reached_on TEXT,
    note       TEXT,
    author     TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    undone_by  TEXT,
    undone_at  BIGINT
);
CREATE INDEX entry_period ON entry (period, id);
CREATE INDEX entry_batch ON entry (batch);
CREATE INDEX entry_code ON entry (code) WHERE code IS NOT NULL;
