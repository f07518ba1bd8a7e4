"""What changes the engine besides readings enters the log through here: written with the change, published once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
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


def published(session: Session, item: Waiting, sequences: Mapping[int, int]) -> None:
    """Note where the log holds it. From here on the device's readings may enter."""
    row = session.get_one(ControlEntry, item.id)
    row.published = {str(partition): sequence for partition, sequence in sequences.items()}
    if isinstance(item.entry, DeviceChanged) and (device := session.get(Device, item.entry.device_id)):
        device.announced = True


def drain(read: Callable[[], Sequence[Waiting]], append: Append, done: Callable[..., None], *, partitions: int) -> int:
    """Move what waits into the log, in order; returns how many. A repeat after a crash has the same message id."""
    items = read()
    for item in items:
        sequences = append({p: [item.entry] for p in item.partitions(partitions)}, msg_id=f"control-{item.id}")
        done(item, sequences)
    return len(items)
