#!/usr/bin/env bash
# Looks for inputs that nobody thought of, for as long as it is told: the property tests with fresh random examples,
# round after round. What it finds is printed with the way to see it again; it ends at the first find.
#
#   bash scripts/fuzz.sh                     10 minutes
#   bash scripts/fuzz.sh 2                   2 minutes
#   bash scripts/fuzz.sh 30 tests/property/test_venue_messages.py
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
minutes=${1:-10}
if ! [[ $minutes =~ ^[0-9]{1,4}$ ]]; then
    printf 'usage: scripts/fuzz.sh [MINUTES] [pytest arguments]\n' >&2
    exit 2
fi
shift || true
if (($# == 0)); then
    set -- tests/property tests/unit/rpc
fi
bash "$root/scripts/setup.sh" dev
cd "$root"

ends=$((SECONDS + minutes * 60))
round=0
while ((SECONDS < ends)); do
    round=$((round + 1))
    seed=$((RANDOM * 32768 + RANDOM))
    left=$((ends - SECONDS))
    printf '==> round %d, seed %d, %d s left\n' "$round" "$seed" "$left" >&2
    status=0
    # A round that is not done when the time is up is no find: 124 is what timeout ends with.
    timeout --signal=INT --kill-after=30 "$((left + 5))" .venv/bin/python -m pytest -q -x --timeout=0 -m hypothesis \
        --hypothesis-profile=fuzz --hypothesis-seed="$seed" --hypothesis-show-statistics "$@" \
        >.fuzz.log 2>&1 || status=$?
    examples=$(grep -oE '[0-9]+ passing,' .fuzz.log | awk '{sum += $1} END {print sum + 0}') || true
    total=$((${total:-0} + examples))
    if ((status != 0 && status != 124)) && ! { ((status == 2)) && ((SECONDS >= ends)); }; then
        sed '/Hypothesis Statistics/,/short test summary/d' .fuzz.log | tail -n 120
        printf '==> found something in round %d (seed %d)\n' "$round" "$seed" >&2
        rm -f .fuzz.log
        exit 1
    fi
done
rm -f .fuzz.log
printf '==> nothing found: %d rounds, %d examples counted\n' "$round" "${total:-0}" >&2
