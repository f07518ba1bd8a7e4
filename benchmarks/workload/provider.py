"""A text message provider that does nothing but take messages: Twilio's create call over HTTP/1.1, in its own process.

`python -m benchmarks.workload.provider` prints its port. It stamps each message as it arrives, and is lean enough
(0.1 ms of CPU a call) not to be what is measured. GET anything: what it took, as `[[number, epoch seconds], …]`.
"""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Provider:
    """As the benchmark sees it."""

    url: str
    pid: int

    def taken(self) -> list[tuple[str, float]]:
        """Each message that it took: to which number, and when."""
        with urllib.request.urlopen(f"{self.url}/taken") as answer:  # noqa: S310 - our own process
            return [(to, at) for to, at in json.load(answer)]


@contextmanager
def provider() -> Iterator[Provider]:
    """One that runs for as long as the block."""
    command = [sys.executable, "-m", "benchmarks.workload.provider"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Provider(f"http://127.0.0.1:{int(process.stdout.readline())}", process.pid)
        finally:
            process.terminate()


@dataclass
class Line(asyncio.Protocol):
    """One connection, kept alive; requests follow one another."""

    taken: list[tuple[str, float]]
    transport: asyncio.Transport | None = None
    waiting: bytearray = field(default_factory=bytearray)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while (head_end := self.waiting.find(HEAD_END)) >= 0:
            head = bytes(self.waiting[:head_end]).lower()
            end = head_end + len(HEAD_END) + _length(head)
            if len(self.waiting) < end:
                return
            body = bytes(self.waiting[head_end + len(HEAD_END) : end])
            del self.waiting[:end]
            self._answer(b"200 OK", self.taken) if head.startswith(b"get") else self._take(body)

    def _take(self, body: bytes) -> None:
        fields = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        self.taken.append((fields["To"], time.time()))
        sid = f"SM{len(self.taken):032x}"
        message = {"sid": sid, "status": "queued", "to": fields["To"], "body": fields["Body"], "num_segments": "1"}
        self._answer(b"201 Created", message)

    def _answer(self, status: bytes, content: object) -> None:
        assert self.transport is not None
        body = json.dumps(content).encode()
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d" % (status, len(body))
        self.transport.write(head + HEAD_END + body)


def _length(head: bytes) -> int:
    _, _, rest = head.partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0] or 0)


async def serve() -> None:
    """Until killed."""
    taken: list[tuple[str, float]] = []
    server = await asyncio.get_running_loop().create_server(lambda: Line(taken), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
