"""A paho client that reads its socket in large pieces.

paho asks the socket three times for each packet, and each time lets another thread have the interpreter: beside a busy
thread that costs more than all the rest. Here most of its questions are answered from memory.
"""

import ssl
from typing import TYPE_CHECKING, cast

from paho.mqtt.client import Client

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

_PIECE = 65_536


class BufferedSocket:
    """A non-blocking socket with one piece read ahead."""

    def __init__(self, sock: "SocketLike") -> None:
        self._sock, self._piece, self._position = sock, b"", 0

    def recv(self, buffer_size: int) -> bytes:
        """Up to `buffer_size` bytes; raises BlockingIOError when there are none, as a socket does."""
        if self._position == len(self._piece):
            self._piece, self._position = self._sock.recv(max(_PIECE, buffer_size)), 0
        start = self._position
        self._position = min(start + buffer_size, len(self._piece))
        return self._piece[start : self._position]

    def pending(self) -> int:
        """Bytes that no `select` will tell of."""
        inner = self._sock.pending() if isinstance(self._sock, ssl.SSLSocket) else 0
        return len(self._piece) - self._position + inner

    def send(self, buffer: bytes | bytearray) -> int:
        """As a socket."""
        return self._sock.send(buffer)

    def close(self) -> None:
        """As a socket."""
        self._sock.close()

    def fileno(self) -> int:
        """As a socket."""
        return self._sock.fileno()

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001  # the signature of sockets
        """As a socket."""
        self._sock.setblocking(flag)


class BufferedClient(Client):
    """The one place where we lean on paho's inside: tests/integration would tell at once if it changed."""

    def _create_socket(self) -> "SocketLike":
        return BufferedSocket(super()._create_socket())

    def unread(self) -> int:
        """Bytes read ahead and not yet looked at."""
        sock = cast("BufferedSocket | None", self.socket())
        return sock.pending() if sock is not None else 0
