#!/bin/sh
# Replace the running instances of services, one by one, by what docker-compose.yml and the image `fanfare` now are.
#
#   deploy/roll.sh [SERVICE …]     without a name all four, gateways first
#
# A new instance comes, and once it is healthy an old one goes, in its own time.  So nobody is cut off at once: a gateway
# that goes sends its clients away bit by bit, and those of the others stay.  The first thing that fails ends it; what
# runs then, runs on.  `make roll` builds the image and brings the tables up to date before.
set -eu

HEALTHY_WITHIN=${HEALTHY_WITHIN:-120} # Seconds that a new instance has.

say() {
    echo "roll.sh: $*" >&2
}

fail() {
    say "$*"
    exit 1
}

instances() { # SERVICE [OPTION]
    docker compose ps ${2:+"$2"} --quiet "$1"
}

health() { # ID
    docker inspect --format '{{if .State.Running}}{{.State.Health.Status}}{{else}}ended{{end}}' "$1"
}

check() { # SERVICE; Compose would take one that has ended, of the old image, for one that is to come.
    [ -n "$(instances "$1")" ] || fail "no $1 runs: \`make up\` starts it"
    for id in $(instances "$1" --all); do
        state=$(health "$id")
        [ "$state" = healthy ] || fail "nothing is changed: $1 $id is $state; mend or remove it first"
    done
}

start() { # SERVICE NUMBER; prints the id of the one that came.
    before=$(instances "$1" | tr '\n' ' ')
    docker compose up --detach --no-deps --no-build --no-recreate --scale "$1=$2" "$1" >&2 || return 1
    after=$(instances "$1") || return 1
    for id in $after; do
        case " $before" in
        *" $id "*) ;;
        *) echo "$id" ;;
        esac
    done
}

await() { # ID
    deadline=$(($(date +%s) + HEALTHY_WITHIN))
    while state=$(health "$1") && [ "$state" != healthy ]; do
        [ "$state" != ended ] && [ "$(date +%s)" -lt "$deadline" ] || return 1
        sleep 1
    done
    [ "$state" = healthy ]
}

replace() { # SERVICE NUMBER OLD
    new=$(start "$1" $(($2 + 1))) || new=""
    [ -n "$new" ] || fail "no $1 has come, or Docker does not tell; those that ran still run"
    case $new in *[!0-9a-f]*) fail "more than one $1 has come, of somebody else's: see \`docker compose ps $1\`" ;; esac
    say "$1 $new: started"
    if ! await "$new"; then
        docker logs --tail 20 "$new" >&2 || true
        docker rm --force "$new" >&2
        fail "$1 $new was not healthy within $HEALTHY_WITHIN s, and is removed; the others still run"
    fi
    say "$1 $new: healthy; $1 $3: told to end"
    # It has the time that docker-compose.yml gives it: stop_grace_period.
    docker stop "$3" >&2 || fail "$1 $3 could not be told to end: there is one more than before"
    status=$(docker inspect --format '{{.State.ExitCode}}' "$3")
    docker rm "$3" >&2
    [ "$status" = 0 ] || fail "$1 $3 ended with status $status and not in order; the others still run"
}

roll() { # SERVICE
    check "$1"
    old=$(instances "$1")
    number=$(echo "$old" | wc -l)
    for each in $old; do
        replace "$1" "$number" "$each"
    done
    say "$1: all $((number)) replaced"
}

trap 'say "interrupted: there may be one instance more than before, see \`docker compose ps\`"; exit 130' HUP INT TERM
[ $# -gt 0 ] || set -- gateway dispatcher presence auth
for name in "$@"; do
    case $name in
    gateway | dispatcher | presence | auth) ;;
    *) fail "$name is none of gateway, dispatcher, presence, auth" ;;
    esac
done
for name in "$@"; do
    roll "$name"
done
