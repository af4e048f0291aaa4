#!/usr/bin/env bash
# Makes this clone a systemd service: user, directories, release, unit. Running it again changes nothing that is right.
#
#   sudo bash scripts/install-systemd.sh              then: sudo systemctl start cerberod
#   bash scripts/install-systemd.sh --dry-run         says what would be done and does nothing
#
#   SERVICE=cerberod      name of the unit and of the user
#   CREDENTIALS=/etc/cerberod/credentials   one file for each secret, named as the setting; each becomes a LoadCredential
#   DESTDIR=              puts unit and directories under another root, for packagers; then no user is made
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
service=${SERVICE:-cerberod}
dest=${DESTDIR:-}
credentials=${CREDENTIALS:-/etc/cerberod/credentials}
units=$dest/etc/systemd/system
dry=''
changed=''

say() { printf '==> %s\n' "$*"; }
fail() {
    printf '==> Cannot go on: %s\n' "$*" >&2
    exit 1
}
# Does something, or says it.
run() {
    say "$*"
    [ -n "$dry" ] || "$@"
}

directory() { # MODE PATH
    [ -d "$2" ] && [ "$(stat -c %a "$2")" = "$1" ] && return
    run install -d -m "$1" "$2"
}

# Writes a text to a file unless it says so already.
file() { # PATH TEXT
    [ -f "$1" ] && [ "$(cat "$1")" = "$2" ] && return
    say "write $1"
    changed=yes
    [ -n "$dry" ] && return
    printf '%s\n' "$2" >"$1.new"
    chmod 644 "$1.new"
    mv -f "$1.new" "$1"
}

load_credentials() {
    local each
    printf '[Service]\n'
    for each in "$dest$credentials"/*; do
        printf 'LoadCredential=%s:%s\n' "${each##*/}" "$credentials/${each##*/}"
    done
}

main() {
    local each
    case ${1:-} in
    --dry-run) dry=yes ;;
    '') ;;
    *) fail "the only option is --dry-run" ;;
    esac
    case $root in *[!A-Za-z0-9_./-]*) fail "a unit file cannot name this place: $root" ;; esac
    [ -n "$dry$dest" ] || [ "$(id -u)" = 0 ] || fail "this needs root (sudo), or --dry-run to look first"

    if [ -z "$dest" ] && ! id "$service" >/dev/null 2>&1; then
        run useradd --system --user-group --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin "$service"
    fi
    directory 755 "$units"
    directory 755 "$dest$(dirname "$credentials")"
    directory 700 "$dest$credentials"
    if [ -z "$dest" ] && [ -f "$root/.env" ] && [ "$(stat -c %U:%G:%a "$root/.env")" != "root:$service:640" ]; then
        # The daemon reads it itself, so that SIGHUP can read it again; nobody else may.
        run chown "root:$service" "$root/.env"
        run chmod 640 "$root/.env"
    fi
    if [ ! -e "$root/current/venv/bin/cerberod" ]; then
        run bash "$root/scripts/release.sh" HEAD
        run ln -sfn "releases/$(git -C "$root" rev-parse HEAD)" "$root/current"
    fi
    file "$units/$service.service" "$(sed -e "s#/opt/cerberod#$root#g" -e "s#^\(User\|Group\)=.*#\1=$service#" \
        "$root/systemd/cerberod.service")"
    if [ -n "$(ls -A "$dest$credentials" 2>/dev/null)" ]; then
        directory 755 "$units/$service.service.d"
        for each in "$dest$credentials"/*; do
            [ "$(stat -c %a "$each")" = 400 ] || run chmod 400 "$each"
        done
        file "$units/$service.service.d/credentials.conf" "$(load_credentials)"
    elif [ -f "$units/$service.service.d/credentials.conf" ]; then
        run rm -f "$units/$service.service.d/credentials.conf"
        changed=yes
    fi
    if [ -z "$dest" ] && [ -n "$changed" ]; then
        run systemctl daemon-reload
        run systemctl enable --quiet "$service"
    fi
    if [ ! -f "$root/.env" ] && [ -z "$(ls -A "$dest$credentials" 2>/dev/null)" ]; then
        say "No tokens yet: write $root/.env (see .env.example), then run this again"
    else
        say "Done; systemctl start $service, and scripts/deploy-vps.sh from now on"
    fi
}

main "$@"
