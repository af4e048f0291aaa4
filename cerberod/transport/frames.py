"""The one frame that nearly every message is: whole, short, text. Pure.

`websockets` reads and writes every kind of frame and keeps the rules of the protocol; the usual one, recognised here by
its first bytes, is spared that way, which costs more than most calls. What is not recognised is left to the library.
"""

from websockets.frames import apply_mask  # type: ignore[attr-defined]  # in C where it can be

_FINAL_TEXT = 0x81
_MASKED = 0x80
_MASK_BYTES = 4
_LENGTH_IN_2, _LENGTH_IN_8 = 126, 127


def whole_text(data: bytes, most: int) -> bytes | None:
    """Return the text of a client's frame, when the data are one whole frame of at most `most` bytes of ASCII text."""
    if not _MASK_BYTES + 2 < len(data) <= most or data[0] != _FINAL_TEXT:
        return None
    length, mask_at = data[1] - _MASKED, 2
    if length == _LENGTH_IN_2:
        length, mask_at = int.from_bytes(data[2:4]), 4
    text_at = mask_at + _MASK_BYTES
    # A frame without mask has a length below zero here, one of 64 KiB and more a length that is not that of the data.
    if length != len(data) - text_at:
        return None
    text = apply_mask(data[text_at:], data[mask_at:text_at])
    # Whether other text is good UTF-8 is for the library to say, which closes with 1007 where it is not.
    return text if text.isascii() else None


def text_frame(text: bytes) -> bytes:
    """Return a server's frame around a text, which is good UTF-8."""
    length = len(text)
    if length < _LENGTH_IN_2:
        return bytes((_FINAL_TEXT, length)) + text
    if length < 1 << 16:
        return bytes((_FINAL_TEXT, _LENGTH_IN_2)) + length.to_bytes(2) + text
    return bytes((_FINAL_TEXT, _LENGTH_IN_8)) + length.to_bytes(8) + text
