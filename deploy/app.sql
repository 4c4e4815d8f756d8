-- The first app of the composed deployment.  Once it is there the table decides: change and add apps in it.

\getenv key APP_KEY
\getenv secret APP_SECRET
\getenv master_key APP_MASTER_KEY

-- auth_timeout stays 0, which is no limit: with one, a client that only listens in public channels, and never signs in,
-- would be sent away.  What strangers may hold is bounded by their address instead.
INSERT INTO fanfare_apps
    (id, key, secrets, name, client_events, watchlists, subscription_counts, encryption_master_key, limits)
VALUES
    ('1', :'key', ARRAY[:'secret'], 'First', true, true, true, :'master_key', '{"connections_per_address": 1000}')
ON CONFLICT (id) DO NOTHING;
