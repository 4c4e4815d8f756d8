#!/bin/sh
# Run overlays/dev in the cluster of kubectl's present context, with new secrets and a first app; prints the app's key and secret.
#
# May be run again, as after a change: secrets and apps that are there stay.
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
kubectl apply --kustomize overlays/dev
here wait deployment --all --for condition=Available --timeout 15m
if [ "$(fanfare apps list --json)" = "[]" ]; then
    fanfare apps add --name First --client-events
fi
fanfare status
