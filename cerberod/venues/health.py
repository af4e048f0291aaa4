"""What every venue client tells about itself, in one form."""

from dataclasses import dataclass

from cerberod.ids import Environment


@dataclass(frozen=True, slots=True)
class VenueStatus:
    """One client's condition at this moment; holds nothing secret."""

    exchange: str
    env: Environment
    healthy: bool
    latency_ms: float | None
    """Round trip of the last answered request; None before the first."""
    reason: str | None
    """Why it is not healthy, or what is wrong while it can be used all the same; in words that do not change."""
    connected: bool
    authenticated: bool
    reconnects: int
    """Connections lost since the start."""
    late_answers: int
    """Answers that came after their call had given up."""
    offset_ms: float | None
    """The venue's clock minus ours; None before the first answer."""
    credits_left: dict[str, float]
    """Requests of each class that could be sent at once."""
