"""A recorded option chain: the body of Deribit's book summary, read, checked and kept exactly as recorded.

While the market stands at the recording's moment, its rows are the truth and are served unchanged. This module only
reads and checks; what tickers and books make of the rows is the venue's business.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from cerberod.simulator.config import ChainFileError

_LARGEST_FILE = 64 * 1024 * 1024
_NUMBERS = ("mark_price", "mark_iv", "underlying_price", "estimated_delivery_price")
_OPTIONAL_NUMBERS = ("bid_price", "ask_price")

Row = dict[str, Any]


@dataclass(frozen=True)
class Chain:
    """The rows of one currency's recording, by instrument name in recorded order."""

    path: Path
    currency: str
    rows: dict[str, Row]
    time_ms: int
    index_price: float


def load_chain(path: Path) -> Chain:
    """Read a recording; raise ChainFileError naming the file and the rule it breaks."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ChainFileError(f"{path}: larger than {_LARGEST_FILE // 2**20} MiB")
        body = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ChainFileError(f"{path}: cannot be read ({error.strerror})") from None
    except orjson.JSONDecodeError:
        raise ChainFileError(f"{path}: is not JSON") from None
    if not isinstance(body, dict) or not isinstance(body.get("result"), list):
        raise ChainFileError(f"{path}: must be an object whose `result` is the list of a recorded book summary")
    rows: dict[str, Row] = {}
    for position, row in enumerate(body["result"]):
        name = _check_row(path, position, row)
        if name in rows:
            raise ChainFileError(f"{path}: row {position}: {name} appears twice")
        rows[name] = row
    if not rows:
        raise ChainFileError(f"{path}: `result` has no rows")
    currencies = {row["base_currency"] for row in rows.values()}
    if len(currencies) != 1:
        raise ChainFileError(f"{path}: rows of more than one base_currency ({', '.join(sorted(currencies))})")
    return Chain(
        path=path,
        currency=currencies.pop(),
        rows=rows,
        time_ms=max(row["creation_timestamp"] for row in rows.values()),
        index_price=float(median(row["estimated_delivery_price"] for row in rows.values())),
    )


def load_chains(paths: tuple[Path, ...]) -> dict[str, Chain]:
    """Read all recordings, at most one for each currency."""
    chains: dict[str, Chain] = {}
    for path in paths:
        chain = load_chain(path)
        if chain.currency in chains:
            raise ChainFileError(f"{path}: a chain of {chain.currency} was already loaded from another file")
        chains[chain.currency] = chain
    return chains


def _check_row(path: Path, position: int, row: object) -> str:
    where = f"{path}: row {position}"
    if not isinstance(row, dict):
        raise ChainFileError(f"{where}: must be an object")
    name = row.get("instrument_name")
    if not isinstance(name, str):
        raise ChainFileError(f"{where}: instrument_name must be a text")
    if not isinstance(row.get("base_currency"), str):
        raise ChainFileError(f"{where}: base_currency must be a text")
    stamp = row.get("creation_timestamp")
    if not isinstance(stamp, int) or isinstance(stamp, bool) or stamp <= 0:
        raise ChainFileError(f"{where}: creation_timestamp must be whole milliseconds")
    for field in _NUMBERS:
        if not _is_number(row.get(field)):
            raise ChainFileError(f"{where}: {field} must be a number")
    for field in _OPTIONAL_NUMBERS:
        if row.get(field) is not None and not _is_number(row[field]):
            raise ChainFileError(f"{where}: {field} must be a number or null")
    if row["underlying_price"] <= 0 or row["estimated_delivery_price"] <= 0:
        raise ChainFileError(f"{where}: underlying_price and estimated_delivery_price must be above 0")
    return name


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
