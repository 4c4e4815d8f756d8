-- Who belongs to what.  Rows may be written by anybody: every change is announced by the trigger.

CREATE TABLE fanfare_memberships (
    app        text NOT NULL CHECK (app <> '' AND char_length(app) <= 200),
    user_id    text NOT NULL CHECK (user_id <> '' AND char_length(user_id) <= 200),
    group_name text NOT NULL CHECK (group_name <> '' AND char_length(group_name) <= 200),
    since      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (app, user_id, group_name)
);

COMMENT ON TABLE fanfare_memberships IS 'Who belongs to what; a change takes effect at once.';
COMMENT ON COLUMN fanfare_memberships.app IS 'The id of the app.';
COMMENT ON COLUMN fanfare_memberships.user_id IS 'As the user''s token names them.';
COMMENT ON COLUMN fanfare_memberships.group_name IS 'As policies name it in member_of: company:5.';
COMMENT ON COLUMN fanfare_memberships.since IS 'When the row was written; Fanfare does not read it.';

-- Every process listens.  A notification has fewer than 8000 bytes, which is why names are bounded; triggers of
-- other tables may call this too, and a name that is longer costs precision, not the writer's transaction.
CREATE FUNCTION fanfare_memberships_notify(verb text, app text, user_id text, group_name text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    payload text := json_build_array(verb, app, user_id, group_name)::text;
BEGIN
    IF octet_length(payload) >= 8000 THEN
        payload := '["missed"]';
    END IF;
    PERFORM pg_notify('fanfare_memberships', payload);
END
$$;

CREATE FUNCTION fanfare_memberships_changed() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM pg_notify('fanfare_memberships', '["missed"]');
    ELSIF TG_OP = 'INSERT' THEN
        PERFORM fanfare_memberships_notify('put', NEW.app, NEW.user_id, NEW.group_name);
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM fanfare_memberships_notify('removed', OLD.app, OLD.user_id, OLD.group_name);
    ELSIF (OLD.app, OLD.user_id, OLD.group_name) <> (NEW.app, NEW.user_id, NEW.group_name) THEN
        PERFORM fanfare_memberships_notify('removed', OLD.app, OLD.user_id, OLD.group_name);
        PERFORM fanfare_memberships_notify('put', NEW.app, NEW.user_id, NEW.group_name);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER fanfare_memberships_changed
    AFTER INSERT OR UPDATE OR DELETE ON fanfare_memberships
    FOR EACH ROW EXECUTE FUNCTION fanfare_memberships_changed();

CREATE TRIGGER fanfare_memberships_emptied
    AFTER TRUNCATE ON fanfare_memberships
    FOR EACH STATEMENT EXECUTE FUNCTION fanfare_memberships_changed();
