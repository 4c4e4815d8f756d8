#!/bin/sh
# Print new secrets for docker-compose.yml, as lines of its .env file.  `make up` keeps them in .env.
set -eu

hex() { # BYTES
    head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

cat <<END
# Where the deployment is reached.  For all of a network: 0.0.0.0:6001
PUBLISH=127.0.0.1:6001

# The first app: clients name it by its key; back ends sign with its secret.  Later it is changed in PostgreSQL.
APP_KEY=$(hex 10)
APP_SECRET=$(hex 32)
APP_MASTER_KEY=$(head -c 32 /dev/urandom | base64)

# Signs your users' tokens (JWT, HS256; iss and aud "fanfare").
JWT_SECRET=$(hex 32)

# Between the services and their backends.  PostgreSQL keeps the one that it was first started with.
REDIS_PASSWORD=$(hex 32)
POSTGRES_PASSWORD=$(hex 32)
END
