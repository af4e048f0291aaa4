"""How arrays and their reasons become what a result tells."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import numpy as np

from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.lines import Line, LineReason
from cerberod.calculation.methods.words import Basis, Gap, Values
from cerberod.errors import AnalyticsRefused
from cerberod.rpc.registry import Params


def basis(params: Params, count: int, convention: str) -> Basis:
    """Return what a result was made from."""
    told = {
        name: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        for name, value in params
        if not isinstance(value, list)
    }
    return Basis(count=count, parameters=told, convention=convention)


def values(line: Line, scale: float = 1.0) -> Values:
    """Return a line with the runs of its nulls."""
    reason = line.reason
    told = ((line.values if reason.any() else line.tail) * scale).tolist()
    edges = np.flatnonzero(np.diff(reason)) + 1
    starts = [0, *edges.tolist()]
    ends = [*edges.tolist(), reason.size]
    return Values(
        values=told,
        gaps=[
            Gap(first=start, last=end - 1, reason=LineReason(int(reason[start])).name.lower())
            for start, end in zip(starts, ends, strict=True)
            if reason[start]
        ],
    )


@contextmanager
def called(prefix: str = "", **names: str) -> Iterator[None]:
    """Let a refusal name the field as the caller knows it."""
    try:
        yield
    except AnalyticsRefused as refusal:
        raise AnalyticsRefused(prefix + names.get(refusal.field, refusal.field), refusal.rule) from None


def percent(fractions: FloatArray) -> list[float]:
    """Return fractions as percentages."""
    out: list[float] = (100.0 * fractions).tolist()
    return out
