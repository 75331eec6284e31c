-- How units are told, and since when. One that is not here has always been live.
CREATE TABLE unit_mode (
    unit  TEXT   NOT NULL PRIMARY KEY,
    mode  TEXT   NOT NULL,
    since BIGINT NOT NULL
);

-- Of a message that somebody has to approve: who, a fingerprint of what it says, and when they are reminded next.
ALTER TABLE message ADD COLUMN approver TEXT;
ALTER TABLE message ADD COLUMN said TEXT;
ALTER TABLE message ADD COLUMN remind_at BIGINT;

-- Of a message that was corrected: why, and the message that says so once it is made.
ALTER TABLE message ADD COLUMN correction TEXT;
ALTER TABLE message ADD COLUMN corrected_by TEXT;

-- A corrected message stays in its thread.
DROP INDEX message_matter;
CREATE INDEX message_matter ON message (matter, created_at, id) WHERE state IN ('accepted', 'corrected');
