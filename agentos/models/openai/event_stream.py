"""Server-sent events as a provider sends them: bytes in, the data of each event out. Does no I/O.

Follows https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation.
"""

from __future__ import annotations


class EventStream:
    """What has come of one stream so far."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._after_return = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that `chunk` completes. Comments and other fields are left out."""
        if self._after_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]  # the other half of a line's end
        self._after_return = chunk.endswith(b"\r")
        complete: list[bytes] = []
        for piece in chunk.splitlines(keepends=True):
            self._line.append(piece)
            if not piece.endswith((b"\n", b"\r")):
                break
            line = b"".join(self._line).rstrip(b"\r\n")
            self._line.clear()
            if line:
                self._take(line)
            elif self._data:
                complete.append(b"\n".join(self._data))
                self._data.clear()
        return complete

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
