-- Removals of memberships, for whoever did not listen when they happened: a notification is told to nobody later.
-- Each auth process reads them when it begins to listen, at its start and after its connection was lost.  After an
-- hour they are of no use; every hundredth that is written takes up to a thousand such away, so that the table
-- holds not much more than an hour's removals, whether anybody reads it or not.

CREATE TABLE fanfare_removals (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app        text NOT NULL,
    user_id    text NOT NULL,
    group_name text NOT NULL,
    removed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX fanfare_removals_removed_at ON fanfare_removals (removed_at);

COMMENT ON TABLE fanfare_removals IS
    'Memberships that ended within the last hour, for auth processes that were not told; pruned as it is written.';
COMMENT ON COLUMN fanfare_removals.removed_at IS 'When the transaction ended, or up to a second before.';

-- As in 0003, and a removal is also kept.  A name that no membership can have is not, and breaks no transaction.  It
-- runs as who migrated, so that a trigger's role needs no right to the table.
CREATE OR REPLACE FUNCTION fanfare_memberships_notify(verb text, app text, user_id text, group_name text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    payload text := pg_catalog.json_build_array(verb, app, user_id, group_name)::text;
    number  bigint;
BEGIN
    IF octet_length(payload) >= 8000 THEN
        payload := '["missed"]';
    END IF;
    PERFORM pg_notify('fanfare_memberships', payload);
    IF verb = 'removed' AND char_length(app) <= 200 AND char_length(user_id) <= 200
        AND char_length(group_name) <= 200
    THEN
        INSERT INTO fanfare_removals AS kept (app, user_id, group_name)
        VALUES (fanfare_memberships_notify.app, fanfare_memberships_notify.user_id,
                fanfare_memberships_notify.group_name)
        RETURNING kept.id INTO number;
        IF number % 100::bigint = 0 THEN
            PERFORM fanfare_removals_prune();
        END IF;
    END IF;
END
$$;

-- Whoever prunes waits for nobody, and does without where transactions that are isolated meet.
CREATE FUNCTION fanfare_removals_prune() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    DELETE FROM fanfare_removals WHERE id IN (
        SELECT id FROM fanfare_removals WHERE removed_at < now() - interval '1 hour'
        ORDER BY removed_at LIMIT 1000 FOR UPDATE SKIP LOCKED
    );
EXCEPTION WHEN serialization_failure THEN
    NULL;
END
$$;

-- A transaction may be long, and until its end the membership is there for all others: so its end counts, where it
-- comes more than a second later, which readers allow for.
CREATE FUNCTION fanfare_removals_committing() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF clock_timestamp() > NEW.removed_at + interval '1 second' THEN
        UPDATE fanfare_removals SET removed_at = clock_timestamp() WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER fanfare_removals_committing
    AFTER INSERT ON fanfare_removals DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION fanfare_removals_committing();

-- Functions that run as another role find nothing but what was made here: no table of the caller's, above all.  Up to
-- PostgreSQL 14 everybody may put functions and operators into the schema public, and one whose types fit better is
-- preferred to the system's: so what they call fits exactly, or is named with its schema.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION fanfare_memberships_notify(text, text, text, text)'
        ' SET search_path = pg_catalog, %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION fanfare_removals_prune()'
        ' SET search_path = pg_catalog, %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION fanfare_removals_committing()'
        ' SET search_path = pg_catalog, %I, pg_temp', current_schema());
END
$$;

-- Who replaces a function does not become its owner, and 0003 may have been applied by another role than this.
ALTER FUNCTION fanfare_memberships_notify(text, text, text, text) OWNER TO CURRENT_USER;

-- Nobody else may make the trigger's function one of a table of theirs: it would run their casts as who migrated.
REVOKE ALL ON FUNCTION fanfare_removals_prune() FROM PUBLIC;
REVOKE ALL ON FUNCTION fanfare_removals_committing() FROM PUBLIC;
