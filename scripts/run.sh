#!/usr/bin/env bash
# Sets up .venv when needed, then runs cerberod.
#
#   bash scripts/run.sh                  cerberod serve --sim: no keys, no network, nothing to configure
#   bash scripts/run.sh COMMAND [...]    that command, for instance: bash scripts/run.sh check
#
# The daemon takes this process's place, so that signals reach it. A .env file is read from the current folder.
set -euo pipefail

scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
bash "$scripts/setup.sh" run
if (($# == 0)); then
    set -- serve --sim
    printf '==> cerberod %s\n' "$*" >&2
fi
exec "$scripts/../.venv/bin/cerberod" "$@"
