#!/usr/bin/env bash
# The load tests at full size: 100,000 calls of one client, 20,000 sessions opened and closed, storms of connects.
# Prints memory and descriptors before and after. Takes a quarter of an hour on a small machine.
#
#   bash scripts/load.sh        full size
#   bash scripts/load.sh 10     ten times the size that the suite takes
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
times=${1:-100}
if ! [[ $times =~ ^[0-9]{1,4}$ ]]; then
    printf 'usage: scripts/load.sh [TIMES]\n' >&2
    exit 2
fi
bash "$root/scripts/setup.sh" dev
cd "$root"
exec .venv/bin/python -m pytest -q -s --timeout=0 --load "$times" tests/functional/test_load.py
