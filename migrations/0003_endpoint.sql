-- Webhook endpoints that answered 410: nothing is posted to them while the configuration names the same url.
CREATE TABLE endpoint (
    id          TEXT   NOT NULL PRIMARY KEY,
    url         TEXT   NOT NULL,
    disabled_at BIGINT NOT NULL,
    reason      TEXT   NOT NULL
);
