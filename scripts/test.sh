#!/usr/bin/env bash
# Sets up .venv with the test tools when needed, then runs the tests.
#
#   bash scripts/test.sh                  the whole suite
#   bash scripts/test.sh tests/unit -x    with pytest's own arguments, paths as seen from the repository's root
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
bash "$root/scripts/setup.sh" dev
cd "$root"
if (($# == 0)); then
    # One process more than there are processors, because tests often wait. The folders come in an order that has the
    # slow files first; a file stays in one process, whose tests may share a daemon.
    set -- -n "$(($(nproc) + 1))" --dist loadfile --no-loadscope-reorder
fi
printf '==> pytest %s\n' "$*" >&2
exec .venv/bin/python -m pytest "$@"
