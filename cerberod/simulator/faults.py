"""The fault plan: which requests go wrong, and how. One small language for every simulated venue.

Pure: it picks the fault of a request and knows no socket; a venue's own files carry it out. A rule names the requests
it means (environment, method, the nth of them, how many) and a verb. What each verb does is said at `Verb`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

_MOST_RULES = 1_000
_FARTHEST_MS = 366 * 86_400_000
_LONGEST_WAIT_MS = 3_600_000


class Verb(StrEnum):
    """What goes wrong."""

    REFUSE = "refuse"
    """A new connection is cut before anything is said on it. Names no method."""
    CUT_BEFORE = "cut_before"
    """The request is read and the connection cut before it has any effect."""
    CUT_AFTER = "cut_after"
    """The request has its effect and the connection is cut before the answer."""
    ANSWER_LATE = "answer_late"
    """The answer comes after `ms`, or when the control path releases it; other requests overtake it."""
    DROP_ANSWER = "drop_answer"
    """The request has its effect and is never answered; the connection stays."""
    ANSWER_TWICE = "answer_twice"
    """The same answer comes twice (on a WebSocket)."""
    GARBAGE = "garbage"
    """The request has its effect and the answer is no JSON."""
    HALF_ANSWER = "half_answer"
    """The request has its effect, half of the answer is sent, then the connection is cut."""
    ERROR = "error"
    """The answer is the venue's error `code`; the request has its effect all the same if `effect` is true."""
    STATUS = "status"
    """The answer is an HTTP error `status`, to an HTTP request or a WebSocket handshake; no effect."""
    SILENCE = "silence"
    """The request has no effect, and nothing is ever said on its connection again, heartbeats included."""
    RATE_LIMIT = "rate_limit"
    """The venue answers that there were too many requests and ends the session; no effect."""
    CLOCK_OFFSET = "clock_offset"
    """The clock of all simulated venues is `ms` off, in stamps, time answers and deadlines; names no request."""


class BadFault(ValueError):
    """A rule that means nothing; the message names the field and the rule, on one line."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule. A method that ends in `*` means all that begin so; None means every one."""

    verb: Verb
    environment: str | None = None
    method: str | None = None
    nth: int = 1
    """The first of the matching requests that goes wrong."""
    times: int | None = None
    """How many go wrong from there on; None for all until the rule is lifted."""
    ms: int | None = None
    code: int | None = None
    status: int | None = None
    effect: bool = False

    def means(self, environment: str, method: str | None) -> bool:
        """Tell whether a request is meant; `method` None is a handshake, which only rules without a method mean."""
        if self.environment not in (None, environment):
            return False
        if self.method is None or method is None:
            return self.method is None
        if self.method.endswith("*"):
            return method.startswith(self.method[:-1])
        return self.method == method


_OWN: Final[Mapping[Verb, frozenset[str]]] = {
    Verb.ANSWER_LATE: frozenset({"ms"}),
    Verb.ERROR: frozenset({"code", "effect"}),
    Verb.STATUS: frozenset({"status"}),
    Verb.CLOCK_OFFSET: frozenset({"ms"}),
}
_NEEDED: Final[Mapping[Verb, str]] = {Verb.ERROR: "code", Verb.STATUS: "status", Verb.CLOCK_OFFSET: "ms"}
_WHICH = frozenset({"environment", "method", "nth", "times"})


def read_fault(body: Mapping[str, Any], environments: tuple[str, ...]) -> Fault:
    """Read a rule as the control path is given it, or raise `BadFault`."""
    try:
        verb = Verb(body.get("verb", ""))
    except ValueError:
        raise BadFault(f"verb must be one of {', '.join(Verb)}") from None
    which = _WHICH if verb is not Verb.CLOCK_OFFSET else frozenset[str]()
    if verb is Verb.REFUSE:
        which -= {"method"}
    allowed = {"verb"} | which | _OWN.get(verb, frozenset())
    for name in body:
        if name not in allowed:
            raise BadFault(f"unknown field {name} for {verb}; allowed: {', '.join(sorted(allowed))}")
    needed = _NEEDED.get(verb)
    if needed is not None and body.get(needed) is None:
        raise BadFault(f"{verb} needs {needed}")
    environment, method = body.get("environment"), body.get("method")
    if environment is not None and environment not in environments:
        raise BadFault(f"environment must be one of {', '.join(environments)}")
    if method is not None and (not isinstance(method, str) or not method):
        raise BadFault("method must be a method's name, or the beginning of one and *")
    effect = body.get("effect", False)
    if not isinstance(effect, bool):
        raise BadFault("effect must be true or false")
    farthest = _LONGEST_WAIT_MS if verb is Verb.ANSWER_LATE else _FARTHEST_MS
    return Fault(
        verb,
        environment,
        method,
        nth=_whole(body, "nth", 1, 1_000_000) or 1,
        times=_whole(body, "times", 1, 1_000_000),
        ms=_whole(body, "ms", 0 if verb is Verb.ANSWER_LATE else -farthest, farthest),
        code=_whole(body, "code", -40_000, 10_000_000),
        status=_whole(body, "status", 400, 599),
        effect=effect,
    )


def _whole(body: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadFault(f"{name} must be a whole number from {low} to {high}")
    return value


@dataclass(slots=True)
class Rule:
    """A rule in force, and how often it was met."""

    id: int
    fault: Fault
    seen: int = 0
    """Matching requests since it was set."""
    hit: int = 0
    """Requests that went wrong by it."""

    def due(self) -> bool:
        """Tell whether the request just counted is one that goes wrong."""
        times = self.fault.times
        return self.seen >= self.fault.nth and (times is None or self.seen < self.fault.nth + times)


@dataclass(slots=True)
class FaultPlan:
    """The rules in force; the oldest that is due decides, and every rule counts what it matches."""

    rules: list[Rule] = field(default_factory=list)
    _last_id: int = 0

    def add(self, fault: Fault) -> Rule:
        """Put a rule in force."""
        if len(self.rules) >= _MOST_RULES:
            raise BadFault(f"at most {_MOST_RULES} rules")
        self._last_id += 1
        rule = Rule(self._last_id, fault)
        self.rules.append(rule)
        return rule

    def lift(self, id: int | None = None) -> int:
        """Lift one rule, or all; return how many."""
        left = [] if id is None else [rule for rule in self.rules if rule.id != id]
        lifted = len(self.rules) - len(left)
        self.rules = left
        return lifted

    @property
    def clock_offset_ms(self) -> int:
        """How far off the venues' clock is."""
        return sum(rule.fault.ms or 0 for rule in self.rules if rule.fault.verb is Verb.CLOCK_OFFSET)

    def at_connecting(self, environment: str, *, http: bool) -> Fault | None:
        """Return what goes wrong with a WebSocket handshake, or with an HTTP request before it is read."""
        verbs = frozenset({Verb.REFUSE} if http else {Verb.REFUSE, Verb.STATUS})
        return self._pick(environment, None, verbs)

    def at_request(self, environment: str, method: str, *, http: bool) -> Fault | None:
        """Return what goes wrong with a request that was read. A status is for HTTP alone."""
        verbs = frozenset(Verb) - {Verb.REFUSE, Verb.CLOCK_OFFSET}
        return self._pick(environment, method, verbs if http else verbs - {Verb.STATUS})

    def _pick(self, environment: str, method: str | None, verbs: frozenset[Verb]) -> Fault | None:
        picked: Rule | None = None
        for rule in self.rules:
            if rule.fault.verb in verbs and rule.fault.means(environment, method):
                rule.seen += 1
                if picked is None and rule.due():
                    picked = rule
        if picked is None:
            return None
        picked.hit += 1
        return picked.fault
