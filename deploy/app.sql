-- The first app of the composed deployment.  Once it is there the table decides: change and add apps in it.

\getenv key APP_KEY
\getenv secret APP_SECRET
\getenv master_key APP_MASTER_KEY

INSERT INTO fanfare_apps
    (id, key, secrets, name, client_events, watchlists, subscription_counts, encryption_master_key)
VALUES
    ('1', :'key', ARRAY[:'secret'], 'First', true, true, true, :'master_key')
ON CONFLICT (id) DO NOTHING;
