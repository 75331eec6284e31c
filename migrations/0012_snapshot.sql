-- The figures of periods that are over, as they were counted: revision 0 while they are checked, then 1, and one more for each
-- later correction. `known_at` is the instant up to which what had been seen was counted.
CREATE TABLE snapshot (
    period   TEXT   NOT NULL,
    revision BIGINT NOT NULL,
    known_at BIGINT NOT NULL,
    figures  TEXT   NOT NULL,
    made_by  TEXT,
    reason   TEXT,
    PRIMARY KEY (period, revision)
);
