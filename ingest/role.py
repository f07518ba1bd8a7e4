"""The ingest role, put together: listeners and batcher for the readings, a side line for everything that needs the
database."""

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from domain.clock import Clock
from domain.errors import LogUnavailable, StoreUnavailable
from ingest.backlog import Backlog
from ingest.batcher import Batcher
from ingest.book import Book
from ingest.bookkeeper import Bookkeeper
from ingest.brokers import Broker
from ingest.commander import PUBLISH_TIMEOUT_S, Commander
from ingest.connection import Published
from ingest.intake import Intake
from ingest.ledger import CommandAnswers, CommandOutbox, Notes, ReadingLog, Registry, Sessions
from ingest.listener import Listener

log = structlog.get_logger()

STEP_S = 0.1


class Ingest:
    """Everything between the brokers and the log. `instance` names this process for ever: its sessions bear it."""

    def __init__(
        self,
        brokers: Sequence[Broker],
        log_: ReadingLog,
        *,
        registry: Registry,
        notes: Notes,
        outbox: CommandOutbox,
        answers: CommandAnswers,
        clock: Clock,
        partitions: int,
        instance: str | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        self._registry, self._stop = registry, threading.Event()
        self._intake, self._book = Intake(), Book()
        name = instance or socket.gethostname()
        self._listeners = [
            Listener(
                broker,
                client_id=f"prevenant-ingest-{name}-{number}",
                intake=self._intake,
                clock=clock,
                sessions=sessions,
            )
            for number, broker in enumerate(brokers)
        ]
        self._bookkeeper = Bookkeeper(self._book, notes, clock)
        self._commander = Commander(outbox, answers, self._publish, self._book, clock, ready=self._connected)
        self._batcher = Batcher(
            self._intake,
            log_,
            registry,
            self._book,
            partitions=partitions,
            answers=self._commander.answered,
        )
        self._backlog = Backlog(
            registry,
            log_,
            self._book,
            clock,
            partitions=partitions,
            kept_of=self._batcher.kept_of,
            between=self._batcher.between,
        )
        self._trouble: dict[str, str] = {}

    def run(self, stop: threading.Event) -> None:
        """Until `stop`, whatever happens to broker, log and database."""
        threads = [
            threading.Thread(target=self._keep_batching, name="batcher", daemon=True),
            threading.Thread(target=self._keep_books, name="books", daemon=True),
        ]
        for thread in threads:
            thread.start()
        for listener in self._listeners:
            listener.start()
        stop.wait()
        for listener in self._listeners:
            listener.stop()
        self._stop.set()
        for thread in threads:
            thread.join(15.0)

    def ready(self) -> bool:
        """Every durable session exists, and the devices are known."""
        return self._registry.loaded() and all(listener.ready for listener in self._listeners)

    def report(self) -> dict[str, Any]:
        """For status and metrics."""
        counts = self._batcher.counts
        troubles = [*(listener.trouble for listener in self._listeners), self._batcher.trouble, *self._trouble.values()]
        return {
            "ready": self.ready(),
            "connected": self._connected(),
            "uplinks": counts.uplinks,
            "readings": counts.readings,
            "batches": counts.batches,
            "kept": counts.kept,
            "dead_letters": self._book.dead_letters,
            "waiting": len(self._intake),
            "trouble": "; ".join(trouble for trouble in troubles if trouble) or None,
        }

    def _connected(self) -> bool:
        return all(listener.ready for listener in self._listeners)

    def _publish(self, topic: str, payload: bytes) -> Published:
        """On the first broker that is connected: where there are several, they are taken to be one cluster."""
        for listener in self._listeners:
            if listener.ready:
                return listener.publish(topic, payload, timeout_s=PUBLISH_TIMEOUT_S)
        return Published.NOT_SENT

    def _keep_batching(self) -> None:
        while not self._stop.is_set():
            try:
                self._batcher.run(self._stop)
            except Exception:
                log.exception("batcher_failed")
                time.sleep(1.0)
                # The batch in hand is unacknowledged: the broker sends it again on the next connection.
                for listener in self._listeners:
                    listener.reconnect()

    def _keep_books(self) -> None:
        steps: Mapping[str, Callable[[], None]] = {
            "devices": self._registry.refresh,
            "answers and commands": self._commander.step,
            "notes": self._bookkeeper.step,
            "backlog": self._backlog.step,
        }
        while not self._stop.is_set():
            for name, step in steps.items():
                self._attempt(name, step)
            self._stop.wait(STEP_S)
        self._attempt("notes", lambda: self._bookkeeper.step(at_once=True))

    def _attempt(self, name: str, step: Callable[[], None]) -> None:
        try:
            step()
        except (StoreUnavailable, LogUnavailable) as exc:
            if not self._trouble:
                log.warning("books_wait", step=name, reason=str(exc))
            self._trouble[name] = f"{name}: {exc}"
        except Exception as exc:
            if name not in self._trouble:
                log.exception("books_failed", step=name)
            self._trouble[name] = f"{name}: {type(exc).__name__}: {exc}"
        else:
            if self._trouble.pop(name, None) and not self._trouble:
                log.info("books_go_on")
