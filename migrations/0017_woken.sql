-- Tickets to be looked at again, since an answer to a letter about them has come: from when on.
CREATE TABLE woken (
    code TEXT   NOT NULL PRIMARY KEY,
    at   BIGINT NOT NULL
);
