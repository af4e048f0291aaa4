"""An audit query as people and programs write it: text parameters, checked one by one.

The HTTP listener, the method `admin.query_audit` and the command line all ask in these words.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from cerberod.audit.query import DEFAULT_LIMIT, MAX_LIMIT, AuditQuery
from cerberod.ids import Environment

PARAMETERS = ("from", "to", "actor", "exchange", "action", "bot_tag", "environment", "limit", "cursor")

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WHOLE = re.compile(r"[1-9][0-9]{0,15}")
_NAME = re.compile(r"[a-z][a-z0-9_.]{0,63}")
_TAG = re.compile(r"[ -~]{1,64}")


class BadParameter(ValueError):
    """A parameter that breaks its rule. `field` is its name, cut; the value is not repeated."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule


def read_query(parameters: Mapping[str, str], environments: frozenset[str] | None) -> AuditQuery:
    """Read text parameters into a query within the environments that the asker may see; None: all of them.

    Dates without a zone are UTC. A `to` that is a date takes its whole day in; one that is a datetime is not included.
    `action` is a method's name with or without its namespace. Raises `BadParameter`.
    """
    for name in parameters:
        if name not in PARAMETERS:
            raise BadParameter(name[:64], f"is not one of {', '.join(PARAMETERS)}")
    get = parameters.get
    exchange, action = _name(parameters, "exchange"), _name(parameters, "action")
    if action is not None and "." in action:
        namespace, _, action = action.partition(".")
        if exchange not in (None, namespace):
            raise BadParameter("action", "is a method of the exchange asked for")
        exchange = namespace
    return AuditQuery(
        since=_moment(parameters, "from"),
        until=_moment(parameters, "to", whole_day=True),
        actor=_name(parameters, "actor"),
        exchange=exchange,
        action=action,
        bot_tag=_matching(parameters, "bot_tag", _TAG, "is 1 to 64 printable ASCII characters"),
        environments=_environments(get("environment"), environments),
        limit=_number(parameters, "limit", MAX_LIMIT) or DEFAULT_LIMIT,
        cursor=_number(parameters, "cursor", None),
    )


def _environments(asked: str | None, allowed: frozenset[str] | None) -> frozenset[str] | None:
    if asked is None:
        return allowed
    if asked not in list(Environment):
        raise BadParameter("environment", "is testnet or mainnet")
    return frozenset({asked}) if allowed is None else frozenset({asked}) & allowed


def _matching(parameters: Mapping[str, str], name: str, pattern: re.Pattern[str], rule: str) -> str | None:
    text = parameters.get(name)
    if text is not None and pattern.fullmatch(text) is None:
        raise BadParameter(name, rule)
    return text


def _name(parameters: Mapping[str, str], name: str) -> str | None:
    return _matching(parameters, name, _NAME, "is a name in lower case")


def _number(parameters: Mapping[str, str], name: str, largest: int | None) -> int | None:
    bound = "" if largest is None else f" up to {largest}"
    text = _matching(parameters, name, _WHOLE, f"is a whole number from 1{bound}")
    if text is None:
        return None
    if largest is not None and int(text) > largest:
        raise BadParameter(name, f"is a whole number from 1{bound}")
    return int(text)


def _moment(parameters: Mapping[str, str], name: str, *, whole_day: bool = False) -> datetime | None:
    text = parameters.get(name)
    if text is None:
        return None
    try:
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text) + timedelta(days=1 if whole_day else 0)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadParameter(
            name, "is an ISO 8601 date or datetime, such as 2026-08-22 or 2026-08-22T03:50:45Z"
        ) from None
