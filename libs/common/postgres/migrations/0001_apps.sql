-- The tenants.  Columns are the fields of libs.common.apps.App; the checks are those of that class.

CREATE TABLE fanfare_apps (
    id                    text PRIMARY KEY CHECK (id <> ''),
    key                   text NOT NULL UNIQUE CHECK (key <> ''),
    secrets               text[] NOT NULL CHECK (
        cardinality(secrets) > 0 AND array_position(secrets, '') IS NULL
        AND array_position(secrets, NULL) IS NULL
    ),
    name                  text NOT NULL DEFAULT '',
    enabled               boolean NOT NULL DEFAULT true,
    client_events         boolean NOT NULL DEFAULT false,
    watchlists            boolean NOT NULL DEFAULT false,
    subscription_counts   boolean NOT NULL DEFAULT false,
    encryption_master_key text NOT NULL DEFAULT '',
    topic                 text NOT NULL DEFAULT '',
    max_members           integer NOT NULL DEFAULT 100,
    leave_grace           double precision NOT NULL DEFAULT 1.5
        CHECK (leave_grace >= 0 AND leave_grace < 'infinity'),
    allowed_origins       text[] NOT NULL DEFAULT '{}'
        CHECK (array_position(allowed_origins, NULL) IS NULL)
);

COMMENT ON TABLE fanfare_apps IS 'The tenants of Fanfare; a change takes effect at once.';
COMMENT ON COLUMN fanfare_apps.secrets IS 'The first signs, all verify: a secret is rotated without downtime.';

-- Every process listens, and reads the table again.  PostgreSQL folds equal notifications of one transaction.
CREATE FUNCTION fanfare_apps_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('fanfare_apps', '');
    RETURN NULL;
END
$$;

CREATE TRIGGER fanfare_apps_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON fanfare_apps
    FOR EACH STATEMENT EXECUTE FUNCTION fanfare_apps_changed();
