#!/usr/bin/env bash
# Makes this clone a systemd service: user, directories, release, unit, and the operator's command. Running it again
# changes nothing that is right.
#
#   sudo bash scripts/install-systemd.sh              then: sudo systemctl start cerberod
#   bash scripts/install-systemd.sh --dry-run         says what would be done and does nothing
#
#   SERVICE=cerberod      name of the unit, of its user and command, and of its folders below /var/lib and /var/log
#   CREDENTIALS=/etc/cerberod/credentials   one file for each secret, named as the setting; each becomes a LoadCredential
#   DESTDIR=              puts unit and directories under another root, for packagers; then no user is made
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
service=${SERVICE:-cerberod}
dest=${DESTDIR:-}
credentials=${CREDENTIALS:-/etc/cerberod/credentials}
units=$dest/etc/systemd/system
commands=$dest/usr/local/bin
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
file() { # MODE PATH TEXT
    [ -f "$2" ] && [ "$(cat "$2")" = "$3" ] && return
    say "write $2"
    changed=yes
    [ -n "$dry" ] && return
    printf '%s\n' "$3" >"$2.new"
    chmod "$1" "$2.new"
    mv -f "$2.new" "$2"
}

# The names of the secrets that are there. What an editor left beside them is none.
secrets() {
    [ ! -d "$dest$credentials" ] ||
        find "$dest$credentials" -maxdepth 1 -type f -regex '.*/[A-Z][A-Z0-9_]*' -printf '%f\n' | sort
}

load_credentials() {
    local each
    printf '[Service]\n'
    for each in $(secrets); do
        printf 'LoadCredential=%s:%s\n' "$each" "$credentials/$each"
    done
}

# `cerberod halt` must not need to be told where the service keeps what it works with, least of all in a hurry.
operators_command() {
    cat <<END
#!/bin/sh
# The command cerberod for the operator of this service: its release, its .env, its secrets, its state. For root.
cd $root || exit 1
if [ -r $credentials ] && [ -n "\$(ls $credentials)" ]; then
    export CREDENTIALS_DIRECTORY=$credentials
fi
export STATE_DIRECTORY=/var/lib/$service
exec $root/current/venv/bin/cerberod "\$@"
END
}

main() {
    local each
    case ${1:-} in
    --dry-run) dry=yes ;;
    '') ;;
    *) fail "the only option is --dry-run" ;;
    esac
    for each in "$root" "$credentials"; do
        case $each in *[!A-Za-z0-9_./-]*) fail "a unit file cannot name this place: $each" ;; esac
    done
    [ -n "$dry$dest" ] || [ "$(id -u)" = 0 ] || fail "this needs root (sudo), or --dry-run to look first"
    if [ -z "$dest" ]; then
        case $root/ in
        /home/* | /root/* | /run/user/*) fail "the unit sees no home directory: move this clone, to /opt say" ;;
        esac
    fi

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
    # What the daemon's user cannot reach is better told here than by a service that does not start.
    if [ -z "$dry$dest" ] && ! runuser -u "$service" -- "$root/current/venv/bin/cerberod" --version >/dev/null; then
        fail "user $service cannot run $root/current/venv/bin/cerberod (see above): others must be able to enter" \
            "$root (chmod go+x makes it so) and to read the Python it was built with"
    fi
    [ -d "$commands" ] || run install -d -m 755 "$commands"
    file 755 "$commands/$service" "$(operators_command)"
    file 644 "$units/$service.service" "$(sed -e "s#/opt/cerberod#$root#g" \
        -e "s#^\(User\|Group\|StateDirectory\|LogsDirectory\)=.*#\1=$service#" "$root/systemd/cerberod.service")"
    if [ -n "$(secrets)" ]; then
        directory 755 "$units/$service.service.d"
        for each in $(secrets); do
            [ "$(stat -c %a "$dest$credentials/$each")" = 400 ] || run chmod 400 "$dest$credentials/$each"
        done
        file 644 "$units/$service.service.d/credentials.conf" "$(load_credentials)"
    elif [ -f "$units/$service.service.d/credentials.conf" ]; then
        run rm -f "$units/$service.service.d/credentials.conf"
        changed=yes
    fi
    if [ -z "$dest" ] && [ -n "$changed" ]; then
        run systemctl daemon-reload
        run systemctl enable --quiet "$service"
    fi
    if [ ! -f "$root/.env" ] && [ -z "$(secrets)" ]; then
        say "No tokens yet: write $root/.env (see .env.example), then run this again"
    else
        say "Done; systemctl start $service, and scripts/deploy-vps.sh from now on"
    fi
}

main "$@"
