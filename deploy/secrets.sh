#!/bin/sh
# Make new secrets for docker-compose.yml, as lines of its .env file.
#
# Usage: deploy/secrets.sh [FILE]
#
# Without a file it prints them.  With one, as `make up` does it, it makes the file, or adds what an older one lacks, and
# changes nothing that is there.  By hand, for one of them:  deploy/secrets.sh | grep ^TOKEN_ >> .env
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

made() {
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

# Between the services and their backends: of Redis; of the owner of the tables, and of who reads and writes them; and of
# PostgreSQL's superuser, who keeps the one of the first start.
REDIS_PASSWORD=$(hex 32)
POSTGRES_OWNER_PASSWORD=$(hex 32)
POSTGRES_SERVICES_PASSWORD=$(hex 32)
POSTGRES_PASSWORD=$(hex 32)

# Hides in HAProxy's cookie which gateway a client is at.
COOKIE_KEY=$(hex 32)

# Of Grafana's account "admin", once the profile observability runs.
GRAFANA_PASSWORD=$(hex 16)
END
    token_keys
}

lacking() { # FILE.  Prints what is made and not there; the keys of tokens fit each other, so both or none.
    made | grep '^[A-Z_]*=' | grep -v '^PUBLISH=' | while IFS= read -r line; do
        name=${line%%=*}
        case $name in TOKEN_*) name='TOKEN_[A-Z_]*' ;; esac
        grep -q "^ *\(export  *\)\{0,1\}$name=" "$1" || printf '%s\n' "$line"
    done
}

if [ $# = 0 ]; then
    made
elif [ ! -s "$1" ]; then
    umask 077
    text=$(made)
    printf '%s\n' "$text" >"$1"
else
    text=$(lacking "$1")
    test -z "$text" || printf '\n# Which a later release needs.\n%s\n' "$text" >>"$1"
fi
