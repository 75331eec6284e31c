-- An open ticket that bears the word which an alarm is about, so that its end is found without going through all of them.
ALTER TABLE alarm ADD COLUMN witness TEXT;
