#!/usr/bin/env bash
# Sets up .venv with the rivals when needed, then measures the daemon against them, on loopback, in under five minutes.
#
#   bash scripts/bench.sh                         every row; a table at the end
#   bash scripts/bench.sh --quick                 the same in under a minute, with wider spreads
#   bash scripts/bench.sh --only latency venue    some rows; --help lists them
#   bash scripts/bench.sh --json FILE             keep the figures
#   bash scripts/bench.sh --compare OLD.json      tell what got worse since
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
bash "$root/scripts/setup.sh" bench
here=$PWD
cd "$root"
exec .venv/bin/python -m scripts.bench --relative-to "$here" "$@"
