-- Messages that nobody took, in the order in which they died: what ops have not been told of yet is looked for each turn.
CREATE INDEX message_dead ON message (state_at, id) WHERE state = 'dead';
