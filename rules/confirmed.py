"""Faults that somebody confirmed, from a file or from verdicts, and how a rule's episodes compare with them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from domain.clock import from_ms
from domain.errors import SourceError
from rules.cells import to_epoch_ms
from rules.episodes import Episode
from rules.readings import DEVICE, read_table


@dataclass(frozen=True, slots=True)
class Confirmed:
    """One judged stretch of time of one device."""

    device_id: str
    start: datetime
    end: datetime | None
    """None: it lasted on."""
    family: str | None = None
    """None: whatever it was, any rule may have seen it."""
    real: bool = True
    """False: somebody looked, and there was nothing."""


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `n`; no value where there is nothing to count."""

    hits: int
    n: int

    @property
    def value(self) -> float | None:
        return self.hits / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a rule meets what was confirmed."""

    precision: Share
    """Episodes that meet a real fault, of those judged."""
    recall: Share
    """Real faults that some episode meets, of all."""


def read_faults(path: Path) -> list[Confirmed]:
    """A table `device_id,start,end[,family]`, CSV or as readings may be; an empty end is none. Raises SourceError."""
    table = read_table(path)
    for name in (DEVICE, "start", "end"):
        if name not in table.columns:
            raise SourceError(
                f"no column {name!r}", cure=f"confirmed faults have {DEVICE},start,end[,family]", file=str(path)
            )
    starts, ends = to_epoch_ms(table["start"]), to_epoch_ms(table["end"])
    families = table["family"].to_list() if "family" in table.columns else [None] * table.height
    written = table["end"].cast(str).fill_null("").to_list()
    found = []
    for row, (device_id, start, end) in enumerate(zip(table[DEVICE].cast(str), starts, ends, strict=True)):
        line = row + (2 if path.suffix.lower() == ".csv" else 1)
        if start is None or (end is None and written[row].strip()):
            wrong = ("start", table["start"][row]) if start is None else ("end", written[row])
            raise SourceError(
                f"{wrong[1]!r} is no time", cure="write ISO 8601 or epoch ms", file=str(path), line=line, key=wrong[0]
            )
        if end is not None and end < start:
            raise SourceError("ends before it starts", cure="swap them", file=str(path), line=line, key="end")
        found.append(Confirmed(device_id, from_ms(start), None if end is None else from_ms(end), families[row] or None))
    return found


def quality(
    episodes: Sequence[Episode],
    confirmed: Iterable[Confirmed],
    *,
    family: str,
    devices: Collection[str],
    all_known: bool,
) -> Quality:
    """Of one rule's episodes, against what was confirmed on `devices` (those it could see).

    Recall asks for the faults of its own family, or of none. A fault of another family makes no episode right where
    people judged rule by rule; in a list of all faults (`all_known`) it does: something was wrong.

    An episode meets a fault if they overlap, onset to end. `all_known`: whatever meets no fault is a false alarm; else
    only what meets a judgement, real or not, counts for precision, and real is stronger.
    """
    mine = [one for one in confirmed if one.device_id in devices and (all_known or one.family in (None, family))]
    by_device: dict[str, list[Episode]] = {}
    for episode in episodes:
        by_device.setdefault(episode.device_id, []).append(episode)
    met: dict[int, bool] = {}
    seen = faults = 0
    for one in mine:
        touching = [each for each in by_device.get(one.device_id, ()) if each.overlaps(one.start, one.end)]
        for each in touching:
            met[id(each)] = met.get(id(each), False) or one.real
        if one.family in (None, family):
            faults += one.real
            seen += one.real and bool(touching)
    judged = len(episodes) if all_known else len(met)
    return Quality(Share(sum(met.values()), judged), Share(seen, faults))
