"""What changes the engine besides readings enters the log through here: written with the change, published once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from domain.telemetry import DeviceChanged, LogEntry, partition_of
from store.codec import decode, encode
from store.tables import ControlEntry, Device

Append = Callable[..., Mapping[int, int]]
"""`ReadingLog.append`."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A control entry that the log does not hold yet."""

    id: int
    entry: LogEntry
    device_id: str | None

    def partitions(self, count: int) -> Sequence[int]:
        """Where it must go: its device's partition, or everywhere."""
        return range(count) if self.device_id is None else (partition_of(self.device_id, count),)


def enqueue(session: Session, entry: LogEntry, *, device_id: str | None = None) -> ControlEntry:
    """Announce `entry` to the engines: to the partition of `device_id`, or to all. Takes effect with the commit."""
    row = ControlEntry(body=encode([entry]), device_id=device_id, published=None)
    session.add(row)
    return row


def waiting(session: Session, *, limit: int = 200) -> Sequence[Waiting]:
    """Entries that the log does not hold yet, in the order in which they were written."""
    unpublished = select(ControlEntry).where(ControlEntry.published.is_(None))
    rows = session.scalars(unpublished.order_by(ControlEntry.id).limit(limit))
    return [Waiting(row.id, decode(row.body)[0], row.device_id) for row in rows]


def published(session: Session, items: Iterable[tuple[Waiting, Mapping[int, int]]]) -> None:
    """Note where the log holds each of them. From here on the devices' readings may enter."""
    found = {item.id: (item.entry, sequences) for item, sequences in items}
    for row in session.scalars(select(ControlEntry).where(ControlEntry.id.in_(found))):
        row.published = {str(partition): sequence for partition, sequence in found[row.id][1].items()}
    devices = {entry.device_id for entry, _ in found.values() if isinstance(entry, DeviceChanged)}
    session.execute(update(Device).where(Device.id.in_(devices)).values(announced=True))


def drain(
    read: Callable[[], Sequence[Waiting]],
    append: Append,
    done: Callable[[Sequence[tuple[Waiting, Mapping[int, int]]]], None],
    *,
    partitions: int,
) -> int:
    """Move what waits into the log, in order; returns how many. A repeat after a crash has the same message id."""
    taken: list[tuple[Waiting, Mapping[int, int]]] = []
    try:
        for item in read():
            sequences = append({p: [item.entry] for p in item.partitions(partitions)}, msg_id=f"control-{item.id}")
            taken.append((item, sequences))
    finally:
        if taken:
            done(taken)
    return len(taken)
