-- Limits of each app, of which max_members was the first, and three switches.

ALTER TABLE fanfare_apps
    ADD COLUMN tls_only     boolean NOT NULL DEFAULT false,
    ADD COLUMN auth_timeout double precision NOT NULL DEFAULT 0
        CHECK (auth_timeout >= 0 AND auth_timeout < 'infinity'),
    ADD COLUMN tenant       text NOT NULL DEFAULT '',
    ADD COLUMN limits       jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(limits) = 'object');

UPDATE fanfare_apps SET limits = jsonb_build_object('members', max_members) WHERE max_members <> 100;

ALTER TABLE fanfare_apps DROP COLUMN max_members;

COMMENT ON COLUMN fanfare_apps.limits IS 'What differs from the defaults: {"connections": 1000}.';
