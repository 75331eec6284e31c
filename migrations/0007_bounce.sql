-- Addresses of a message from which it came back.
CREATE TABLE bounce (
    message TEXT   NOT NULL REFERENCES message (id),
    address TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    detail  TEXT   NOT NULL,
    PRIMARY KEY (message, address)
);

-- Addresses that are not written to until an instant, since a message came back from them.
CREATE TABLE suspension (
    address TEXT   NOT NULL PRIMARY KEY,
    since   BIGINT NOT NULL,
    until   BIGINT NOT NULL,
    reason  TEXT   NOT NULL
);
CREATE INDEX suspension_until ON suspension (until);

CREATE INDEX alarm_subject ON alarm (kind, subject);
