"""A NATS connection that lives in its own asyncio loop on its own thread, behind synchronous calls."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

import nats.errors
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import NoStreamResponseError

from domain.errors import LogUnavailable

T = TypeVar("T")
log = structlog.get_logger()

FAILURES = (nats.errors.Error, asyncio.TimeoutError, OSError)
"""What a lost server looks like from nats-py."""


class NatsClient:
    """Connects in the background and for ever again. `prepare` runs after each connection, before anything else."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        prepare: Callable[[JetStreamContext], Awaitable[None]],
        on_change: Callable[[bool], None],
        timeout_s: float = 5.0,
    ) -> None:
        """`on_change(connected)` is called on the connection's thread and must not block."""
        self.nc, self.timeout_s = Client(), timeout_s
        self._servers = [server.strip() for server in url.split(",") if server.strip()]
        self._name, self._prepare, self._on_change = name, prepare, on_change
        self._usable = threading.Event()
        self.lost = asyncio.Event()
        """Set when the present connection is over; another event stands here from the next one on."""
        self._warned = False
        self._closing = False
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"nats-{name}", daemon=True)
        self._thread.start()
        self.tasks: set[asyncio.Task[None]] = set()
        self.loop.call_soon_threadsafe(lambda: self.spawn(self._connect()))

    @property
    def js(self) -> JetStreamContext:
        """To be used inside the loop only."""
        return self.nc.jetstream(timeout=self.timeout_s)

    @property
    def usable(self) -> bool:
        """Connected and prepared."""
        return self._usable.is_set() and self.nc.is_connected

    @property
    def away(self) -> bool:
        """Known to be lost, or closed. While the first connection is still being made it is neither this nor usable."""
        return not self.usable and (self._warned or self._closing)

    def call(self, work: Callable[[], Coroutine[Any, Any, T]], *, timeout_s: float | None = None) -> T:
        """Run `work` in the loop. Raises LogUnavailable when the server is away or does not answer."""
        limit = self.timeout_s if timeout_s is None else timeout_s
        if not self._usable.wait(limit) or not self.nc.is_connected:
            raise LogUnavailable(f"no connection to the log at {self._shown}")
        future = asyncio.run_coroutine_threadsafe(work(), self.loop)
        try:
            return future.result(limit * 2)
        except FutureTimeout as exc:
            future.cancel()
            raise LogUnavailable(f"the log at {self._shown} does not answer") from exc
        except NoStreamResponseError as exc:
            raise LogUnavailable(f"the log at {self._shown} has no such stream, or JetStream is switched off") from exc
        except FAILURES as exc:
            raise LogUnavailable(f"the log at {self._shown}: {exc or type(exc).__name__}") from exc

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A background task, from within the loop."""
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def close(self) -> None:
        """Let go of the connection; nothing is usable afterwards."""
        if self._closing:
            return
        self._closing = True
        self._usable.clear()
        try:
            asyncio.run_coroutine_threadsafe(self._shut(), self.loop).result(self.timeout_s)
        except FutureTimeout:
            log.warning("log_close_timed_out", url=self._shown)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(self.timeout_s)
        self.loop.close()

    @property
    def _shown(self) -> str:
        return ",".join(server.rsplit("@", 1)[-1] for server in self._servers)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    async def _connect(self) -> None:
        await self.nc.connect(
            self._servers,
            name=f"prevenant-{self._name}",
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.5,  # type: ignore[arg-type]  # the library only sleeps on it
            connect_timeout=2,
            ping_interval=20,
            max_outstanding_pings=2,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
        )
        await self._on_reconnected()

    async def _on_reconnected(self) -> None:
        while not self._closing:
            try:
                await self._prepare(self.js)
                break
            except FAILURES as exc:
                self._warn(str(exc) or type(exc).__name__)
                if not self.nc.is_connected:
                    return  # the next connection prepares
                await asyncio.sleep(0.5)
        if self._warned:
            log.info("log_back", url=self._shown)
        self._warned = False
        self.lost = asyncio.Event()
        self._usable.set()
        self._on_change(True)  # noqa: FBT003

    async def _on_disconnected(self) -> None:
        self._usable.clear()
        self.lost.set()
        if not self._closing:
            self._warn("connection lost")
        self._on_change(False)  # noqa: FBT003

    async def _on_error(self, exc: Exception) -> None:
        if not self._closing:
            self._warn(str(exc) or type(exc).__name__)

    def _warn(self, reason: str) -> None:
        if not self._warned:
            log.warning("log_away", url=self._shown, reason=reason)
        self._warned = True

    async def _shut(self) -> None:
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.nc.close()
