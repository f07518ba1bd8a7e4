"""One partition of the reading log in the hands of one worker: its engine state, and how far it has got."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import structlog

from domain.faults import Transition
from domain.telemetry import LogBatch, LogEntry

State = TypeVar("State")


class Engine(Protocol[State]):
    """What evaluates: the module `rules.engine`, or a fake."""

    def new_state(self) -> State: ...

    def observe(self, state: State, entries: Sequence[LogEntry]) -> tuple[State, list[Transition]]:
        """May use up `state`. The result depends on its arguments alone, however the entries are cut into calls."""
        ...

    def dump(self, state: State) -> bytes: ...

    def load(self, data: bytes) -> State: ...


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on a partition. `epoch` fences: what is committed under an old one is refused."""

    partition: int
    epoch: int
    committed_position: int
    """Sequence of the last log entry whose effects are in the database; 0 at the beginning."""


class Poisoned(Exception):
    """An entry could not be evaluated and the state is spoilt: rebuild it, then go with care."""


@dataclass(slots=True)
class Item:
    """One entry and its place."""

    sequence: int
    index: int
    entry: LogEntry


@dataclass(slots=True)
class Partition(Generic[State]):
    """Evaluates in order, with effects off up to what is committed already."""

    claim: Claim
    engine: Engine[State]
    committed: int
    state: State | None = None
    position: int = 0
    """Sequence of the last batch evaluated."""
    in_hand: list[Transition] = field(default_factory=list)
    """Transitions that are not committed yet."""
    snapshot_position: int = 0
    committed_at: float = 0.0
    snapshot_at: float = 0.0
    skipped: set[tuple[int, int]] = field(default_factory=set)
    """Entries that cannot be evaluated, by sequence and index."""
    suspect_until: int = 0
    """Up to this sequence some entry spoilt the state: evaluate so that it can be found."""

    @property
    def is_live(self) -> bool:
        """All that is committed has been replayed."""
        return self.position >= self.committed

    def open(self, state: State, *, position: int) -> None:
        """Start from a state that holds all up to `position`."""
        self.state, self.position, self.snapshot_position = state, position, position

    def learn(self, committed: int) -> None:
        """The database says how far it has got: a commit whose outcome was not known may have gone through."""
        if committed > self.committed:
            self.committed = committed
            if committed >= self.position:
                self.in_hand.clear()

    def evaluate(self, batches: Sequence[LogBatch]) -> None:
        """Take the next batches. Raises Poisoned if one could not be evaluated; then it must be opened again."""
        replayed = [batch for batch in batches if batch.sequence <= self.committed]
        live = [batch for batch in batches if batch.sequence > self.committed]
        for group, effects in ((replayed, False), (live, True)):
            if group:
                transitions = self._observe(group)
                self.position = group[-1].sequence
                if effects:
                    self.in_hand.extend(transitions)

    def _observe(self, group: Sequence[LogBatch]) -> list[Transition]:
        items = [
            Item(batch.sequence, index, entry)
            for batch in group
            for index, entry in enumerate(batch.entries)
            if (batch.sequence, index) not in self.skipped
        ]
        if group[0].sequence <= self.suspect_until:
            return self._carefully(items)
        try:
            return self._plainly(items)
        except MemoryError:
            raise
        except Exception as exc:
            self.suspect_until = group[-1].sequence
            self.state = None
            raise Poisoned(str(exc)) from exc

    def _plainly(self, items: Sequence[Item]) -> list[Transition]:
        state, self.state = self.state, None
        if state is None:
            raise Poisoned("the state is spoilt")
        self.state, transitions = self.engine.observe(state, [item.entry for item in items])
        return transitions

    def _carefully(self, items: Sequence[Item]) -> list[Transition]:
        """Halve until the entry that cannot be evaluated stands alone, and leave that one out."""
        if self.state is None or not items:
            return []
        saved = self.engine.dump(self.state)
        try:
            return self._plainly(items)
        except MemoryError:
            raise
        except Exception as exc:  # noqa: BLE001 - whatever it is, it ends as a logged and counted skip
            self.state = self.engine.load(saved)
            if len(items) == 1:
                self._skip(items[0], exc)
                return []
            middle = len(items) // 2
            return self._carefully(items[:middle]) + self._carefully(items[middle:])

    def _skip(self, item: Item, exc: Exception) -> None:
        self.skipped.add((item.sequence, item.index))
        logger: Any = structlog.get_logger("rules.worker")
        logger.error(
            "entry_skipped",
            partition=self.claim.partition,
            sequence=item.sequence,
            index=item.index,
            entry=type(item.entry).__name__,
            device_id=getattr(item.entry, "device_id", None),
            exc_info=exc,
        )
