-- Webhooks of each app; members are those of libs.common.apps.webhooks.WebhookSettings.

ALTER TABLE fanfare_apps
    ADD COLUMN webhooks jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(webhooks) = 'array');

COMMENT ON COLUMN fanfare_apps.webhooks IS
    'Who is told what becomes of channels and users: [{"name": "orders", "url": "https://…", "events": ["channel_occupied"]}].';

-- What could not be delivered.  Presence writes and prunes it (presence.dead_letters, presence.dead_letters_max_age);
-- fanfare webhooks list and replay read it.
CREATE TABLE fanfare_dead_letters (
    id         text PRIMARY KEY,
    app        text NOT NULL,
    webhook    text NOT NULL,
    facts      json NOT NULL, -- Not jsonb, which refuses half of a surrogate pair.
    reason     text NOT NULL,
    tries      integer NOT NULL,
    first_at   timestamptz NOT NULL,
    died_at    timestamptz NOT NULL
);

CREATE INDEX fanfare_dead_letters_died_at ON fanfare_dead_letters (died_at, id);

COMMENT ON TABLE fanfare_dead_letters IS 'Webhooks that could not be delivered; bounded, the oldest go first.';
COMMENT ON COLUMN fanfare_dead_letters.id IS 'The webhook-id, the same at every try.';
