-- Pages are read along indexes that hold their order to the end: many tickets are received on one day or due at one
-- instant, many change in one import, and of these too each page begins where the last one ended.
DROP INDEX ticket_received;
DROP INDEX ticket_due;
DROP INDEX change_at;
CREATE INDEX ticket_received ON ticket (received_at, code);
CREATE INDEX ticket_due ON ticket (next_at, code) WHERE next_at IS NOT NULL;
CREATE INDEX change_at ON change (at, id);
