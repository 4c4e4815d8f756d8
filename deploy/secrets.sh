#!/bin/sh
# Print new secrets for docker-compose.yml, as lines of its .env file.  `make up` keeps them in .env.
#
# An .env from before a secret was added here takes its lines over:  deploy/secrets.sh | grep ^TOKEN_ >> .env
set -eu

hex() { # BYTES
    head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

one_line() { # Of PEM as a text in JSON.
    awk '{ printf "%s\\n", $0 }'
}

token_keys() { # Compose takes what stands between single quotes as it is.
    if ! private=$(openssl genpkey -algorithm ed25519 2>/dev/null); then
        echo "secrets.sh: no OpenSSL 1.1.1 or newer here, so no key for channel tokens: /auth/tokens will answer 501" >&2
        return
    fi
    public=$(printf '%s\n' "$private" | openssl pkey -pubout)
    private=$(printf '%s\n' "$private" | one_line)
    public=$(printf '%s\n' "$public" | one_line)
    kid=$(hex 8)
    echo
    echo "# Sign channel tokens: the first line is for auth alone, the second for the gateways, which only verify."
    printf "TOKEN_KEYS='[{\"kid\": \"%s\", \"public_key\": \"%s\", \"private_key\": \"%s\"}]'\n" "$kid" "$public" "$private"
    printf "TOKEN_PUBLIC_KEYS='[{\"kid\": \"%s\", \"public_key\": \"%s\"}]'\n" "$kid" "$public"
}

cat <<END
# Where the deployment is reached.  For all of a network: 0.0.0.0:6001
PUBLISH=127.0.0.1:6001

# What else runs, commas between: tls, observability (docs/deploy/containers.md).
#COMPOSE_PROFILES=observability
#OTLP_ENDPOINT=http://collector:4318

# The first app: clients name it by its key; back ends sign with its secret.  Later it is changed in PostgreSQL.
APP_KEY=$(hex 10)
APP_SECRET=$(hex 32)
APP_MASTER_KEY=$(head -c 32 /dev/urandom | base64)

# Signs your users' tokens (JWT, HS256; iss and aud "fanfare").
JWT_SECRET=$(hex 32)

# Between the services and their backends.  PostgreSQL keeps the one that it was first started with.
REDIS_PASSWORD=$(hex 32)
POSTGRES_PASSWORD=$(hex 32)

# Of Grafana's account "admin", once the profile observability runs.
GRAFANA_PASSWORD=$(hex 16)
END
token_keys
