#!/usr/bin/env bash
# Deploys the newest commit of a branch on this machine, and goes back to the one before when it does not come up.
#
#   bash scripts/deploy-vps.sh
#
#   BRANCH=main                  branch of origin to deploy
#   MODE=systemd                 or docker: an image and `docker compose` in place of a release and systemd
#   PORT, HTTP_PORT              where the daemon listens; from .env, else 9000 and 9001
#   HEALTH_TIMEOUT_SECONDS=60    how long the new version has to report phase ready and its own commit at /health
#   FORCE=1                      deploy although this commit runs already
#   SKIP_ROLLBACK=1              leave a version that does not come up in place, to be looked at
#   SERVICE=cerberod             name of the unit
#   CREDENTIALS=/etc/cerberod/credentials   where scripts/install-systemd.sh found the secrets, if there are any
#   KEEP_RELEASES=3              how many releases stay on disk
#
# The old version runs until the new one is built. Exit codes: 0 deployed or nothing to do, 1 refused or rolled back,
# 2 neither version came up, 75 another deploy is running.
set -euo pipefail

say() { printf '==> %s\n' "$*"; }
refuse() {
    printf '==> Not deployed: %s\n' "$*" >&2
    exit 1
}

# Reads one name of .env the way a plain value is written there.
from_env_file() {
    [ ! -f .env ] || sed -n "s/^[[:space:]]*$1[[:space:]]*=[[:space:]]*[\"']\{0,1\}\([^\"'#[:space:]]*\).*/\1/p" .env | tail -n 1
}

# Prints the commit that runs, once it tells phase ready at /health and answers where sessions are opened.
health_program='
import json, socket, sys, urllib.request

direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    with direct.open(f"http://127.0.0.1:{sys.argv[2]}/health", timeout=2) as answer:
        body = json.load(answer)
    if body["phase"] != "ready":
        sys.exit(1)
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 2).close()
    print(body["git_sha"])
except (OSError, ValueError, KeyError):
    sys.exit(1)
'

running_sha() {
    case $mode in
    systemd) python3 -c "$health_program" "$port" "$http_port" ;;
    # Its ports are open inside the container alone.
    docker) docker compose exec -T cerberod python -c "$health_program" "$port" "$http_port" 2>/dev/null ;;
    esac
}

# Waits until this commit is the one that runs, for so many seconds.
wait_healthy() {
    local end=$((SECONDS + $2))
    until [ "$(running_sha)" = "$1" ]; do
        if ((SECONDS >= end)); then return 1; fi
        sleep 0.3
    done
}

build() {
    case $mode in
    systemd) bash scripts/release.sh "$1" >/dev/null ;;
    docker) git archive "$1" | docker build --quiet --build-arg "GIT_SHA=$1" --tag "cerberod:$1" - >/dev/null ;;
    esac
}

# The settings are checked by the version that is to run with them, before the one that works is stopped; it is given
# secrets and the place of its state as systemd will give them.
check_settings() {
    local secrets=()
    [ -z "$(ls "$credentials" 2>/dev/null)" ] || secrets=("CREDENTIALS_DIRECTORY=$credentials")
    case $mode in
    systemd) env "STATE_DIRECTORY=/var/lib/$service" "${secrets[@]}" "releases/$1/venv/bin/cerberod" check >/dev/null ;;
    docker) docker run --rm --env-file .env "cerberod:$1" cerberod check >/dev/null ;;
    esac
}

# Makes a version that is built the one that runs.
switch_to() {
    case $mode in
    systemd)
        ln -sfn "releases/$1" current.new
        mv -T current.new current
        # A version that ended again and again has used up the starts that systemd allows in a time.
        systemctl reset-failed "$service" 2>/dev/null 9>&- || true
        systemctl restart "$service" 9>&-
        ;;
    docker) CERBEROD_IMAGE="cerberod:$1" docker compose up --detach --no-build 9>&- ;;
    esac
}

# Nothing has been stopped yet: only the working tree goes back to what runs.
give_up() {
    [ -z "$previous" ] || git reset --quiet --hard "$previous"
    refuse "$1; ${previous:-what there was} goes on running"
}

# Called once the new version has been switched to and is not healthy, however that came about.
roll_back() {
    trap - EXIT INT TERM HUP
    if [ -n "${SKIP_ROLLBACK:-}" ]; then
        printf '==> Deploy failed: %s did not come up and was left in place (SKIP_ROLLBACK)\n' "$target" >&2
        exit 1
    fi
    if [ -z "$previous" ]; then
        printf '==> Deploy failed: %s did not come up, and there is no version before it\n' "$target" >&2
        exit 2
    fi
    say "Going back to $previous"
    git reset --quiet --hard "$previous"
    # It is known to come up: an impatient deploy is no reason to give it up.
    if switch_to "$previous" && wait_healthy "$previous" "$((timeout > 60 ? timeout : 60))"; then
        printf '==> Deploy failed: %s did not come up; rolled back to %s, which is healthy\n' "$target" "$previous" >&2
        exit 1
    fi
    printf '==> ROLLBACK FAILED: neither %s nor %s came up; look at journalctl -u %s\n' "$target" "$previous" "$service" >&2
    exit 2
}

# Whether the installer of this version would write other files than those that are installed.
installation_differs() {
    local said
    [ "$mode" = systemd ] && [ -f "/etc/systemd/system/$service.service" ] || return 1
    said=$(SERVICE=$service CREDENTIALS=$credentials bash scripts/install-systemd.sh --dry-run) || return 1
    [[ $said == *"==> write "* ]]
}

remove_old_releases() {
    local keep=${KEEP_RELEASES:-3} name
    # Newest first by the time of completion; what runs and what it would go back to always stay.
    find releases -mindepth 2 -maxdepth 2 -name complete -printf '%T@ %h\n' | sort -rn | tail -n "+$((keep + 1))" |
        while read -r _ name; do
            case $name in "releases/$target" | "releases/$previous") continue ;; esac
            rm -rf "$name"
        done
}

# Everything is in functions, read before the first of them runs: `git reset` below may replace this very file.
main() {
    cd "$(dirname "${BASH_SOURCE[0]}")/.."
    local branch=${BRANCH:-main} running
    mode=${MODE:-systemd} service=${SERVICE:-cerberod} timeout=${HEALTH_TIMEOUT_SECONDS:-60}
    credentials=${CREDENTIALS:-/etc/cerberod/credentials}
    case $mode in systemd | docker) ;; *) refuse "MODE must be systemd or docker" ;; esac
    [[ $timeout =~ ^[0-9]+$ ]] || refuse "HEALTH_TIMEOUT_SECONDS must be a whole number of seconds"
    mkdir -p releases
    exec 9>releases/.lock
    if ! flock --nonblock 9; then
        printf '==> Not deployed: another deploy is running\n' >&2
        exit 75
    fi
    if [ -f .env ]; then
        if [ "$mode" = systemd ] && [ "$(id -u)" = 0 ] && id "$service" >/dev/null 2>&1; then
            runuser -u "$service" -- test -r "$PWD/.env" ||
                refuse "user $service cannot read .env (chown root:$service .env, chmod 640 .env)"
        fi
    elif [ "$mode" = docker ] || [ -z "$(ls "$credentials" 2>/dev/null)" ]; then
        refuse ".env is missing (cp .env.example .env, fill in the tokens, chmod 640 .env)"
    fi
    [ -z "$(git status --porcelain)" ] || refuse "the working tree has changes: git status names them"
    port=${PORT:-$(from_env_file PORT)}
    port=${port:-9000}
    http_port=${HTTP_PORT:-$(from_env_file HTTP_PORT)}
    http_port=${http_port:-9001}

    say "Fetching $branch"
    git fetch --quiet origin "$branch" || refuse "origin cannot be reached, or has no branch $branch"
    target=$(git rev-parse FETCH_HEAD)
    running=$(running_sha || true)
    # What answers now is what to go back to, whoever put it there; else the last that a deploy saw answer.
    previous=$running
    [ -e "releases/$previous/complete" ] || [ "$mode" = docker ] || previous=''
    previous=${previous:-$(cat releases/healthy 2>/dev/null || true)}
    if [ "$running" = "$target" ] && [ -z "${FORCE:-}" ]; then
        git reset --quiet --hard "$target"
        say "Nothing to do: $target runs already (FORCE=1 deploys it again)"
        return
    fi
    git reset --quiet --hard "$target"
    say "Building $target"
    build "$target" || give_up "$target could not be built (see above)"
    check_settings "$target" || give_up "$target cannot use the settings (see above)"

    # From here on every way out that is not success, a signal included, ends in the version before.
    trap roll_back EXIT INT TERM HUP
    say "Restarting $service as $target"
    switch_to "$target" || roll_back
    wait_healthy "$target" "$timeout" || roll_back
    trap - EXIT INT TERM HUP
    printf '%s\n' "$target" >releases/healthy.new
    mv releases/healthy.new releases/healthy
    remove_old_releases
    if installation_differs; then
        say "The unit or its command has changed too: bash scripts/install-systemd.sh, then systemctl restart $service"
    fi
    say "Deployed $target"
}

main "$@"
exit
