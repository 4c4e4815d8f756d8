#!/bin/sh
# Print the Secret `fanfare` of overlays/dev, with new secrets: deploy/k8s/secrets.sh | kubectl create -n fanfare-dev -f -
#
# `create`, so that nothing takes the place of what there is: PostgreSQL keeps the password that it was first started with.
set -eu

TOKEN_KEYS='[]' TOKEN_PUBLIC_KEYS='[]' # Where OpenSSL is too old to make them.
made=$("$(dirname "$0")/../secrets.sh")
eval "$made"
postgres="postgresql://fanfare:$POSTGRES_PASSWORD@postgres:5432/fanfare?sslmode=disable"

cat <<END
apiVersion: v1
kind: Secret
metadata:
  name: fanfare
stringData:
  bus-url: "redis://:$REDIS_PASSWORD@redis:6379/0"
  roster-url: "redis://:$REDIS_PASSWORD@redis:6379/0"
  apps-url: "$postgres"
  sightings-url: "$postgres"
  issuers.json: '[{"issuer": "fanfare", "audience": "fanfare", "secret": "$JWT_SECRET", "user_info": {"id": "sub", "name": "name"}}]'
  token-keys.json: '$TOKEN_KEYS'
  token-public-keys.json: '$TOKEN_PUBLIC_KEYS'
  redis-password: "$REDIS_PASSWORD"
  postgres-password: "$POSTGRES_PASSWORD"
END
