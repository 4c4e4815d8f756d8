#!/bin/sh
# Run overlays/dev in the cluster of kubectl's present context, with new secrets and a first app; prints the app's key and secret.
#
# May be run again, as after a change: secrets and apps that are there stay, and all pods are replaced, as an image that was built
# anew has the same name.
set -eu
cd "$(dirname "$0")"

here() {
    kubectl --namespace fanfare-dev "$@"
}

fanfare() {
    here exec deployment/dispatcher -- fanfare "$@"
}

kubectl apply --filename overlays/dev/namespace.yaml
if [ -z "$(here get secret fanfare --ignore-not-found --output name)" ]; then
    secret=$(./secrets.sh)
    printf '%s\n' "$secret" | here create --filename -
fi
here delete job migrate --ignore-not-found # It cannot be changed.
runs=$(here get deployment dispatcher --ignore-not-found --output name)
kubectl apply --kustomize overlays/dev
set -- deployment/gateway deployment/auth deployment/dispatcher deployment/presence
[ -z "$runs" ] || here rollout restart "$@"
for service in "$@"; do
    here rollout status "$service" --timeout 15m
done
if [ "$(fanfare apps list --json)" = "[]" ]; then
    fanfare apps add --name First --client-events
fi
fanfare status
