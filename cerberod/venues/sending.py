"""The moment of "sent": from it on a request may have had an effect."""

from typing import Protocol


class Marked(Protocol):
    """Whatever wants to know the moment before the first byte."""

    def mark(self) -> None:
        """Note that from now on the request may have had an effect."""


class Watched:
    """Passes the mark on to whoever prepared the write, and remembers it for the error's own `sent`."""

    def __init__(self, inner: Marked | None) -> None:
        self._inner = inner
        self.marks = 0
        """How often a request of this call left; a read may be asked again."""

    @property
    def marked(self) -> bool:
        return self.marks > 0

    def mark(self) -> None:
        self.marks += 1
        if self._inner is not None:
            self._inner.mark()
