-- How far each user has read in each channel.  Written by the presence service alone, in batches.  Ids are compared as
-- UTF-8, so that pages are in the same order in every database.

CREATE TABLE fanfare_marks (
    app      text NOT NULL,
    channel  text NOT NULL COLLATE "C",
    user_id  text NOT NULL COLLATE "C",
    epoch    text NOT NULL,
    number   bigint NOT NULL,
    moved_at timestamptz NOT NULL,
    PRIMARY KEY (app, channel, user_id)
) WITH (fillfactor = 90);

CREATE INDEX fanfare_marks_user ON fanfare_marks (app, user_id);
CREATE INDEX fanfare_marks_moved_at ON fanfare_marks (moved_at);

COMMENT ON TABLE fanfare_marks IS 'How far users have read; kept for presence.keep_marks days after it was told last.';
COMMENT ON COLUMN fanfare_marks.app IS 'The id of the app.';
COMMENT ON COLUMN fanfare_marks.user_id IS 'The id of the user.';
COMMENT ON COLUMN fanfare_marks.epoch IS
    'Which life of the channel''s history the number is an offset of; empty: it is the application''s own.';
COMMENT ON COLUMN fanfare_marks.moved_at IS
    'The hour in which the mark was told last: an update within the hour changes nothing that is indexed.';
