-- Who decides where several processes share one store, until when by the database's clock, counted on with
-- each that follows another. Every writing transaction there takes this row first, so that one writes at a time.
CREATE TABLE lease (
    name   TEXT   NOT NULL PRIMARY KEY,
    holder TEXT   NOT NULL,
    term   BIGINT NOT NULL,
    until  BIGINT NOT NULL
);
INSERT INTO lease (name, holder, term, until) VALUES ('turn', '', 0, 0);
