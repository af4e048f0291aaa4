#!/usr/bin/env bash
# Makes the locks again from pyproject.toml: exact versions with hashes, good for every platform and Python >= 3.11.
#
#   bash scripts/lock.sh              keeps the versions locked so far where they still fit
#   bash scripts/lock.sh --upgrade    takes the newest that fit
#
# The locks name no package index: which one is used is the business of the machine that installs.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
printf '==> Fetching uv into a temporary folder\n'
"${PYTHON:-python3}" -m venv "$tools"
"$tools/bin/python" -m pip install --quiet --disable-pip-version-check uv==0.13.9

compile() {
    local target=$1
    shift
    printf '==> %s\n' "$target"
    # The source stands last: it may be the standard input.
    UV_CUSTOM_COMPILE_COMMAND='bash scripts/lock.sh' "$tools/bin/uv" pip compile --quiet --universal --generate-hashes \
        --no-emit-index-url --python-version 3.11 --output-file "$target" "$@" >/dev/null
}

build_requirements='import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")'
"$tools/bin/python" -c "$build_requirements" >"$tools/build.in"
compile requirements-build.lock "$@" --no-annotate - <"$tools/build.in"
compile requirements.lock "$@" pyproject.toml
compile requirements-dev.lock "$@" --constraint requirements.lock --extra dev pyproject.toml
compile requirements-bench.lock "$@" --constraint requirements-dev.lock --extra dev --extra bench pyproject.toml
printf '==> Done\n'
