#!/usr/bin/env bash
# Builds one commit into releases/SHA, with a virtual environment of its own that no other version shares.
#
#   bash scripts/release.sh [COMMIT]    prints the folder; HEAD when no commit is named
#
# A virtual environment cannot be moved, so it is built in place; the file `complete`, written last, tells a whole
# release from one that was cut short, which is built again from nothing. Nothing is installed that the locks do not
# name with a hash. PYTHON names the interpreter; pip's own settings are honoured. RELEASES is where releases are kept.
set -euo pipefail
# The daemon's user is another than the one that builds, whose umask may keep others out.
umask 022

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
releases=${RELEASES:-$root/releases}
sha=$(git -C "$root" rev-parse --verify --quiet "${1:-HEAD}^{commit}") || {
    printf '==> Cannot go on: %s is not a commit of this clone.\n' "${1:-HEAD}" >&2
    exit 1
}
release=$releases/$sha

if [ ! -e "$release/complete" ]; then
    printf '==> Building release %s\n' "$sha" >&2
    rm -rf "$release"
    mkdir -p "$release/source"
    git -C "$root" archive "$sha" | tar -x -C "$release/source"
    unset PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0
    "${PYTHON:-python3}" -m venv "$release/venv" >&2
    pip() { "$release/venv/bin/python" -m pip install --quiet --no-build-isolation "$@" >&2; }
    pip --require-hashes --use-pep517 -r "$release/source/requirements-build.lock"
    pip --require-hashes --use-pep517 -r "$release/source/requirements.lock"
    pip --no-deps "$release/source"
    printf 'GIT_SHA=%s\n' "$sha" >"$release/release.env"
    # The daemon of this release can at least be loaded, before anything that works is stopped for it.
    (cd "$release" && venv/bin/cerberod --version >/dev/null)
    touch "$release/complete"
fi
printf '%s\n' "$release"
