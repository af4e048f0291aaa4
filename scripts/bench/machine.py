"""Describes the machine and the code that was measured, so that figures can be told apart later."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from cerberod.clock import SystemClock, iso

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("aiohttp", "anyio", "fastapi", "httptools", "mcp", "orjson", "pydantic", "uvicorn", "uvloop", "websockets")


def describe(state: Path) -> dict[str, Any]:
    """Return what may matter for the figures; `state` is where records were written."""
    return {
        "date": iso(SystemClock().now()),
        "git_sha": _git("rev-parse", "HEAD"),
        "git_changed": bool(_git("status", "--porcelain", "--untracked-files=no", "--", "cerberod", "scripts")),
        "cpu": _field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)),
        "memory_mib": int((_field("/proc/meminfo", "MemTotal") or "0").split()[0]) // 1024,
        "system": f"{platform.system()} {platform.release()}",
        "file_system": _file_system(state),
        "load_before": os.getloadavg()[0],
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def _field(path: str, name: str) -> str | None:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _git(*arguments: str) -> str | None:
    try:
        run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout.strip()


def _file_system(place: Path) -> str:
    """Return the type of the file system a folder is on: the mount with the longest path above it."""
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    above = [(point, kind) for point, kind in mounts if place.is_relative_to(point)]
    return max(above, key=lambda mount: len(mount[0]))[1]
