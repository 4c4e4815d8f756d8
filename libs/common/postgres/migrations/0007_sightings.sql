-- When users were last seen, and from when to when they were online.  Written by the presence service alone, in
-- batches; an instant is the one of the transition that the roster decided.

CREATE TABLE fanfare_sightings (
    app          text NOT NULL,
    user_id      text NOT NULL,
    last_seen    timestamptz NOT NULL,
    online_since timestamptz,
    PRIMARY KEY (app, user_id)
);

CREATE INDEX fanfare_sightings_last_seen ON fanfare_sightings (last_seen);

COMMENT ON TABLE fanfare_sightings IS 'When users were last seen; who is online now the roster knows, not this.';
COMMENT ON COLUMN fanfare_sightings.app IS 'The id of the app.';
COMMENT ON COLUMN fanfare_sightings.user_id IS 'The id of the user.';
COMMENT ON COLUMN fanfare_sightings.last_seen IS 'When the user last came online or went offline.';
COMMENT ON COLUMN fanfare_sightings.online_since IS
    'When the user came, if nobody has heard since then that they went.';

CREATE TABLE fanfare_spans (
    app      text NOT NULL,
    user_id  text NOT NULL,
    began_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    PRIMARY KEY (app, user_id, began_at)
);

CREATE INDEX fanfare_spans_ended_at ON fanfare_spans (ended_at);

COMMENT ON TABLE fanfare_spans IS 'Times of being online that are over; kept for presence.keep_spans days.';
COMMENT ON COLUMN fanfare_spans.began_at IS 'When the first connection of the user came.';
COMMENT ON COLUMN fanfare_spans.ended_at IS 'When the grace of the last one was over.';
