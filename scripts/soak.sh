#!/usr/bin/env bash
# Sets up .venv with the test tools when needed, then repeats a test for much longer than the suite does, and tells the
# figures.
#
#   bash scripts/soak.sh kills 200           bots trade, the daemon is killed 200 times; every order is accounted for
#   bash scripts/soak.sh kills 200 --seed 7  the same with other chances
#   bash scripts/soak.sh points              every write, killed at every point that it passes
#   bash scripts/soak.sh schedules 1000      random schedules of bots, faults and restarts, in virtual time
#   bash scripts/soak.sh restart 5           5 restarts with 100 sessions calling and 10 orders under way each
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
case "${1:-} ${2:-}" in
"kills "[1-9]*) set -- tests/faults/test_random_kills.py --kills "$2" "${@:3}" ;;
"points "*) set -- -s tests/faults/test_kills.py --every-point "${@:2}" ;;
"schedules "[1-9]*) set -- -s tests/faults/test_schedules.py --schedules "$2" "${@:3}" ;;
"restart "[1-9]*)
    tests=()
    for ((round = 0; round < $2; round++)); do tests+=(tests/functional/test_restart.py); done
    set -- -s --load 2 --keep-duplicates "${tests[@]}"
    ;;
*)
    sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
bash "$root/scripts/setup.sh" dev
cd "$root"
exec .venv/bin/python -m pytest -q --timeout 0 "$@"
