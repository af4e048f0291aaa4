#!/usr/bin/env bash
# Makes .venv in the repository's root and installs the locked packages into it. Used by run.sh, test.sh and bench.sh.
#
#   scripts/setup.sh run    what the daemon needs
#   scripts/setup.sh dev    that, and what its tests need
#   scripts/setup.sh bench  all that, and the rivals it is measured against
#
# Nothing is fetched that the locks do not name with a hash, build tools included. Everything is told on standard
# error, because standard output may be the wire of `cerberod stdio`.
# PYTHON names the interpreter to use; pip's own settings (PIP_INDEX_URL and so on) are honoured.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv
python=$venv/bin/python
kind=${1:-run}

say() { printf '==> %s\n' "$*" >&2; }
fail() {
    printf '==> Cannot go on: %s\n' "$1" >&2
    shift
    if (($#)); then printf '    %s\n' "$@" >&2; fi
    exit 1
}

case $kind in
run) lock=$root/requirements.lock ;;
dev) lock=$root/requirements-dev.lock ;;
bench) lock=$root/requirements-bench.lock ;;
*) fail "scripts/setup.sh takes run, dev or bench" ;;
esac

# What an installation depends on: the place, which is written into the launcher, this script, the locks, and Python.
wanted() {
    printf '%s\n' "$root"
    cksum <"$root/scripts/setup.sh"
    cksum <"$root/requirements-build.lock"
    cksum <"$1"
    "$python" -c 'import sys; print(sys.version)' 2>/dev/null || echo 'no python'
}
up_to_date() { [ -f "$venv/installed-$1" ] && [ "$(cat "$venv/installed-$1")" = "$(wanted "$2")" ]; }

enough='import sys; sys.exit(sys.version_info < (3, 11))'

find_python() {
    local candidate seen=''
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" >/dev/null || fail "PYTHON names $PYTHON, which is not there."
        "$PYTHON" -c "$enough" || fail "PYTHON names $PYTHON, which is not Python 3.11 or newer."
        found=$PYTHON
        return
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        command -v "$candidate" >/dev/null || continue
        if "$candidate" -c "$enough" 2>/dev/null; then
            found=$candidate
            return
        fi
        seen="$seen $candidate ($("$candidate" --version 2>&1 | head -n 1))"
    done
    if [ -n "$seen" ]; then
        fail "Python 3.11 or newer is needed, and only older ones are here:$seen." \
            "Install a newer one beside it and name it: PYTHON=python3.12 bash scripts/run.sh"
    fi
    fail "Python 3.11 or newer is needed, and there is no python3." \
        "Debian, Ubuntu: sudo apt-get install python3 python3-venv" \
        "Fedora: sudo dnf install python3      macOS: brew install python"
}

make_venv() {
    local version
    find_python
    version=$("$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if ! "$found" -c 'import venv, ensurepip' 2>/dev/null; then
        fail "this Python $version has no venv module." \
            "Debian, Ubuntu: sudo apt-get install python$version-venv (or python3-venv)"
    fi
    say "Making .venv with Python $version ($(command -v "$found"))"
    "$found" -m venv --clear "$venv" >&2 || fail "the virtual environment could not be made in $venv (see above)."
}

install() {
    say "Installing $2 from $(basename "$1") (about a minute the first time)"
    # Builds use the pinned tools installed before them: an isolated build would fetch its own, unpinned.
    # A lock names all there is to install; what is overridden there (pyproject.toml, tool.uv) pip would ask for again.
    "$python" -m pip install --quiet --require-hashes --no-deps --no-build-isolation --use-pep517 -r "$1" >&2 || fail \
        "pip could not install $2 (see above)." \
        "It needs the network, or settings of pip that name a reachable package index." \
        "Nothing is lost: run the same command again when that is mended."
}

# The project itself is not built: a path file and a launcher are all an editable installation is.
install_project() {
    local packages quoted
    packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    quoted=$("$python" -c 'import shlex, sys; print(shlex.quote(sys.argv[1]))' "$python")
    printf '%s\n' "$root" >"$packages/cerberod.pth"
    {
        printf '#!/bin/sh\n'
        printf 'exec %s -m cerberod "$@"\n' "$quoted"
    } >"$venv/bin/cerberod.new"
    chmod 755 "$venv/bin/cerberod.new"
    mv -f "$venv/bin/cerberod.new" "$venv/bin/cerberod"
}

# Two set-ups at once wait for each other, where the system has the tool for it.
if command -v flock >/dev/null; then
    exec 9<"$root/scripts/setup.sh"
    flock 9
fi

if up_to_date "$kind" "$lock"; then
    exit 0
fi
unset PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0

# A set-up that was cut short may have left half a package, which pip takes for a whole one: start again from nothing.
if [ -e "$venv/installing" ] || ! "$python" -c "import pip; $enough" 2>/dev/null; then
    make_venv
fi
rm -f "$venv/installed-run" "$venv/installed-dev" "$venv/installed-bench"
touch "$venv/installing"
install "$root/requirements-build.lock" "the build tools"
install "$lock" "the packages"
install_project
# The locks agree in every version, so that what the tests need holds what the daemon needs, and so on.
if [ "$kind" = bench ]; then
    wanted "$root/requirements-bench.lock" >"$venv/installed-bench"
fi
if [ "$kind" != run ]; then
    wanted "$root/requirements-dev.lock" >"$venv/installed-dev"
fi
wanted "$root/requirements.lock" >"$venv/installed-run"
rm -f "$venv/installing"
say "Done: $venv"
