"""The command: which rows, how long, and where the figures go."""

import argparse
import os
import resource
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import orjson

from scripts.bench import report
from scripts.bench.figures import Result
from scripts.bench.machine import describe
from scripts.bench.plan import FULL, QUICK, Bench
from scripts.bench.processes import BenchFailed
from scripts.bench.rows import ROWS

DESCRIPTORS = 4096
"""A thousand sessions and some room."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _read(arguments)
    if not sys.platform.startswith("linux"):
        print("The benchmark reads /proc and pins processes: it needs Linux.", file=sys.stderr)
        return 1
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(DESCRIPTORS, hard) if hard > 0 else DESCRIPTORS, hard))
    earlier = orjson.loads(options.compare.read_bytes()) if options.compare else None
    figures, failed = _measure(options.only or list(ROWS), quick=options.quick)
    if options.json:
        options.json.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2) + b"\n")
    if earlier is not None:
        print("\n" + report.comparison(earlier, figures))
    return 1 if failed else 0


def _measure(rows: Sequence[str], *, quick: bool) -> tuple[dict[str, object], list[str]]:
    """Measure; return the figures, and the rows that could not be measured."""
    cores = sorted(os.sched_getaffinity(0))
    results: list[Result] = []
    failed: list[str] = []
    with ExitStack() as stack:
        bench = Bench(QUICK if quick else FULL, cores, stack)
        machine = describe(bench.folder) | {"quick": quick}
        if len(cores) == 1:
            bench.tell("There is one core only: servers and load share it, and ratios say less.")
        for name, row in ROWS.items():
            if name in rows:
                bench.tell(name)
                try:
                    results += row(bench)
                except BenchFailed as failure:
                    bench.tell(f"{name} could not be measured: {failure}")
                    failed.append(name)
    print(f"{machine['date']}, {machine['cpu']}, {machine['cores_usable']} cores, {machine['python']}")
    print(f"git {machine['git_sha'] or 'unknown'}{', with changes' if machine['git_changed'] else ''}\n")
    print(report.table(results) if results else "Nothing could be measured.")
    if told := report.notes(results):
        print("\n" + told)
    return report.as_json(results, machine), failed


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bash scripts/bench.sh",
        description="Measure the daemon against its rivals on loopback.",
        epilog="rows: " + ", ".join(ROWS) + ". Figures are medians with their range; a missed goal is no failure.",
    )
    parser.add_argument("--quick", action="store_true", help="under a minute, with wider ranges")
    parser.add_argument("--only", nargs="+", choices=list(ROWS), metavar="ROW", help="measure these rows only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and the machine there")
    parser.add_argument("--compare", type=Path, metavar="OLD.json", help="tell what got worse since that run")
    parser.add_argument("--relative-to", type=Path, default=Path(), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    for name in ("json", "compare"):
        if (path := getattr(options, name)) is not None:
            setattr(options, name, options.relative_to / path)
    if options.compare is not None and not options.compare.is_file():
        parser.error(f"{options.compare} is not there")
    if options.json is not None and not options.json.parent.is_dir():
        parser.error(f"the folder of {options.json} is not there")
    return options


if __name__ == "__main__":
    sys.exit(main())
