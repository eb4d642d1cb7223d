"""A TCP proxy in front of Postgres that counts round trips by what the client asked.

Every Sync and every simple Query of the wire protocol makes the client wait for one ReadyForQuery: that is a
round trip. https://www.postgresql.org/docs/current/protocol-flow.html
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Generator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

_STARTUP = 3 << 16
"""The protocol's version, which only a startup message begins with; before it come offers to encrypt."""


class Proxy(ThreadingTCPServer):
    """Listens on a free port of 127.0.0.1 for those who look for the Postgres there at `postgres_port`."""

    daemon_threads = True

    def __init__(self, postgres_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.postgres_port = postgres_port
        self.port = int(self.server_address[1])
        self._trips: list[str] = []

    def count(self, statement: str) -> None:
        """One round trip."""
        self._trips.append(statement)

    def take(self) -> list[str]:
        """The statements of all round trips since the last call, in order.

        Preparing a statement isn't among them: that happens once for each connection, not for each request.
        """
        taken, self._trips = self._trips, []
        return taken


@contextmanager
def counting(postgres_port: int) -> Generator[Proxy]:
    """A proxy at work."""
    with Proxy(postgres_port) as proxy:
        thread = Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


class _Handler(BaseRequestHandler):
    server: Proxy  # pyright: ignore[reportIncompatibleVariableOverride] - no other server makes handlers
    request: socket.socket

    def handle(self) -> None:
        reader = Reader(self.server)
        with socket.create_connection(("127.0.0.1", self.server.postgres_port)) as postgres:
            Thread(target=_pump, args=(postgres, self.request), daemon=True).start()
            _pump(self.request, postgres, reader)


def _pump(source: socket.socket, sink: socket.socket, reader: Reader | None = None) -> None:
    with suppress(OSError):  # either side may go at any time, and then so does the other
        while data := source.recv(65536):
            if reader is not None:
                reader.feed(data)
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


class Reader:
    """Reads what one connection's client sends."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._received = b""
        self._is_started = False
        self._statements: dict[bytes, str] = {}
        self._bound: str | None = None

    def feed(self, data: bytes) -> None:
        """Takes what has come, wherever it was cut."""
        self._received += data
        while self._message():
            pass

    def _message(self) -> bool:
        """Takes one message, if a whole one is there: a type (once started), a length, and the rest."""
        lead = 1 if self._is_started else 0
        if len(self._received) < lead + 4:
            return False
        (length,) = struct.unpack_from("!i", self._received, lead)
        if len(self._received) < lead + length:
            return False
        kind, body = self._received[:lead], self._received[lead + 4 : lead + length]
        self._received = self._received[lead + length :]
        if self._is_started:
            self._read(kind, body)
        else:
            self._is_started = struct.unpack_from("!i", body)[0] == _STARTUP
        return True

    def _read(self, kind: bytes, body: bytes) -> None:
        match kind:
            case b"P":
                name, statement, _ = body.split(b"\0", 2)
                self._statements[name] = statement.decode()
            case b"B":
                self._bound = self._statements[body.split(b"\0", 2)[1]]
            case b"Q":
                self._proxy.count(body.rstrip(b"\0").decode())
            case b"S" if self._bound is not None:
                self._proxy.count(self._bound)
                self._bound = None
            case _:
                pass
