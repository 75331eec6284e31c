-- Endpoints that have taken nothing since an instant, at the url that was posted to; one that takes a post is not here.
CREATE TABLE endpoint_failing (
    id       TEXT   NOT NULL PRIMARY KEY,
    url      TEXT   NOT NULL,
    since    BIGINT NOT NULL,
    last_at  BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    reason   TEXT   NOT NULL
);
