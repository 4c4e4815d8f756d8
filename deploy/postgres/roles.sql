-- Whom PostgreSQL lets in, besides the superuser, whom nothing but this file uses.  It is run at every start.
--
-- The owner has the tables, and brings them up to date (fanfare migrate).  The services read and write them, and may
-- nothing more (docs/configuration.md, [postgres]).  What a former release made as the superuser becomes the owner's.

\getenv owner OWNER
\getenv owner_password OWNER_PASSWORD
\getenv services SERVICES
\getenv services_password SERVICES_PASSWORD

-- No statement with a password comes into the log, not even one that fails.
SET log_statement = none;
SET log_min_duration_statement = -1;
SET log_min_error_statement = panic;

SELECT format('CREATE ROLE %I', name) FROM (VALUES (:'owner'), (:'services')) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec
ALTER ROLE :"owner" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'owner_password';
ALTER ROLE :"services" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'services_password';

BEGIN;
SELECT format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database())
\gexec
GRANT USAGE, CREATE ON SCHEMA public TO :"owner";
GRANT USAGE ON SCHEMA public TO :"services";

SELECT format('ALTER TABLE %s OWNER TO %I', oid::regclass, :'owner') FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relname LIKE 'fanfare\_%' AND relkind = 'r'
    AND relowner <> :'owner'::regrole
\gexec
SELECT format('ALTER FUNCTION %s OWNER TO %I', oid::regprocedure, :'owner') FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'fanfare\_%' AND proowner <> :'owner'::regrole
\gexec

-- Of what is there, and of what later releases add.
SELECT format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', oid::regclass, :'services') FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relname LIKE 'fanfare\_%' AND relkind = 'r'
\gexec
SELECT format('REVOKE INSERT, UPDATE, DELETE ON fanfare_migrations FROM %I', :'services')
WHERE to_regclass('fanfare_migrations') IS NOT NULL
\gexec
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"services";
COMMIT;
