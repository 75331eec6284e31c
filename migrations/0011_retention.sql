-- When the last of a ticket happened that is over: by it records are pruned. Null while it is open, and where what it
-- was told under could not be read from the ticket database again.
ALTER TABLE ticket ADD COLUMN over_at BIGINT;
CREATE INDEX ticket_over ON ticket (over_at, code) WHERE over_at IS NOT NULL;

-- What is kept of a message: 0 all of it, 1 all but its body, 2 all of it until the archive is pruned.
ALTER TABLE message ADD COLUMN kept BIGINT NOT NULL DEFAULT 0;
CREATE INDEX message_kept ON message (kept, created_at, id);

CREATE INDEX telling_summary ON telling (due_at, id) WHERE subject_kind = 'summary';
CREATE INDEX alarm_over ON alarm (clear_told_at) WHERE clear_told_at IS NOT NULL;

-- Tickets that ops had forgotten: a keyed hash of each code, by which nothing of it is taken in again.
CREATE TABLE forgotten (
    hash TEXT   NOT NULL PRIMARY KEY,
    at   BIGINT NOT NULL
);
