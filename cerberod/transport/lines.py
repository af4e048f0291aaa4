"""Bytes to lines, with a bound on what one line may hold. Pure.

Lines end with LF; a CR before it belongs to the ending. Lines of blanks only are no messages and are passed over. What
stands behind the last LF counts as a line when the input ends, for JSON itself tells whether it is whole.

Of a line longer than the limit only the beginning is kept, just enough for whoever reads it to see that it is too long;
the rest is thrown away as it arrives, up to the next LF.
"""

_CR_AND_ONE_MORE = 2


class LineSplitter:
    """Cuts a stream of bytes into lines. A line that was too long comes out longer than the limit, and cut."""

    def __init__(self, max_line_bytes: int) -> None:
        self._limit = max_line_bytes
        self._partial = bytearray()

    @property
    def buffered(self) -> int:
        """Bytes held of the unfinished line; bounded whatever arrives."""
        return len(self._partial)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next bytes and return the lines they finish."""
        lines: list[bytes] = []
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            self._append(piece)
            lines += self.end()
        self._append(rest)
        return lines

    def end(self) -> list[bytes]:
        """The line, or the input, has ended: return what is held, as one line or none."""
        line = bytes(self._partial).removesuffix(b"\r")
        self._partial.clear()
        return [line] if line.strip() or len(line) > self._limit else []

    def _append(self, piece: bytes) -> None:
        self._partial += piece[: self._limit + _CR_AND_ONE_MORE - len(self._partial)]
