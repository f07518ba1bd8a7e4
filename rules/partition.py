"""One partition of the reading log in the hands of one worker: its engine state, and how far it has got."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import structlog

from domain.errors import LogUnavailable, StoreUnavailable
from domain.faults import Transition
from domain.telemetry import LogBatch, LogEntry, RuleActivated

State = TypeVar("State")


class Engine(Protocol[State]):
    """What evaluates: the module `rules.engine`, or a fake."""

    def new_state(self) -> State: ...

    def observe(self, state: State, entries: Sequence[LogEntry]) -> tuple[State, list[Transition]]:
        """May use up `state`. The result depends on its arguments alone, however the entries are cut into calls."""
        ...

    def cold(self, state: State) -> Mapping[str, int]:
        """Rules that came into force with the last entry, and since when (receive time) their past matters."""
        ...

    def warm(self, state: State, name: str, past: Iterable[Sequence[LogEntry]]) -> list[Transition]:
        """Let one of them look back; changes `state`."""
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


Past: TypeAlias = Callable[[int, int], Iterator[LogBatch]]
"""What the log still holds since a receive time (epoch ms), up to and including a sequence."""


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
    past: Past
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
            return [one for part in _cut_at_rules(items) for one in self._plainly(part)]
        except (MemoryError, LogUnavailable, StoreUnavailable):
            self.state = None
            raise
        except Exception as exc:
            self.suspect_until = group[-1].sequence
            self.state = None
            raise Poisoned(str(exc)) from exc

    def _plainly(self, items: Sequence[Item]) -> list[Transition]:
        state, self.state = self.state, None
        if state is None:
            raise Poisoned("the state is spoilt")
        state, transitions = self.engine.observe(state, [item.entry for item in items])
        for name, since in self.engine.cold(state).items():
            transitions += self._warm(state, name, since, before=items[-1])
        self.state = state
        return transitions

    def _warm(self, state: State, name: str, since: int, *, before: Item) -> list[Transition]:
        """A rule without its past is better than none: what spoils the past has been skipped when it was present."""
        try:
            return self.engine.warm(state, name, self._before(before, since))
        except (MemoryError, LogUnavailable, StoreUnavailable):
            raise
        except Exception:
            logger: Any = structlog.get_logger("rules.worker")
            logger.exception("rule_starts_without_past", rule=name, partition=self.claim.partition)
            return []

    def _before(self, item: Item, since: int) -> Iterator[Sequence[LogEntry]]:
        for batch in self.past(since, item.sequence):
            yield [
                entry
                for index, entry in enumerate(batch.entries)
                if (batch.sequence, index) < (item.sequence, item.index) and (batch.sequence, index) not in self.skipped
            ]

    def _carefully(self, items: Sequence[Item]) -> list[Transition]:
        """Halve until the entry that cannot be evaluated stands alone, and leave that one out."""
        if self.state is None or not items:
            return []
        saved = self.engine.dump(self.state)
        try:
            return self._plainly(items)
        except (MemoryError, LogUnavailable, StoreUnavailable):
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


def _cut_at_rules(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Parts that end with a rule's coming into force: it looks back before anything else is evaluated."""
    start = 0
    for end, item in enumerate(items, start=1):
        if isinstance(item.entry, RuleActivated) or end == len(items):
            yield items[start:end]
            start = end
