-- Why a call failed: a code for programs and a sentence for people, both or neither.
ALTER TABLE calls ADD COLUMN end_code TEXT;
ALTER TABLE calls ADD COLUMN end_message TEXT
    CONSTRAINT end_detail_is_whole CHECK ((end_code IS NULL) = (end_message IS NULL));
