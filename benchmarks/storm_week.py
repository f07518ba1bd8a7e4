"""A week of a gateway that fails, flaps and recovers above many homes: what customers get, with and without respect.

    .venv/bin/python benchmarks/storm_week.py [--homes 500]

Both runs are the product itself on a simulated clock: rules over the same readings, tickets, outbox, sender, sandbox.
"Without" takes away storms, flapping, holds and all stages of the release but reach; nothing else differs.
"""

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from statistics import mean, median
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, update

from api.manifests.applying import apply
from app import pipeline
from domain.clock import FakeClock
from domain.faults import Transition
from domain.hours import QuietHours
from domain.links import LinkSigner
from domain.messages import BAD_NEWS, REACHED, Channel, MessageStage, MessageState, RecipientKind
from domain.people import DAILY_CAPS, Recipient
from notify.channels.sandbox import SandboxChannel
from notify.release import STAGES, release
from notify.sender import Sender
from notify.verdicts import Check
from notify.wishes import reachable
from rules.backtest import assemble, run
from rules.documents import parse_documents
from rules.fleet import devices_in
from rules.readings import read_readings
from store.consent import Source, record
from store.database import Database
from store.outbox import SqlOutbox
from store.sandbox import SqlSandbox
from store.tables import Base, Customer, Device, Due, Message
from tickets.quiet import of_ticket

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = timedelta(days=7)
PARIS = ZoneInfo("Europe/Paris")
SEED = 4
WAITING = (MessageState.HELD, MessageState.READY)
UNKIND: tuple[Check, ...] = (reachable,)

RULES = """
kind: product
name: home-x
title: {{en: Heat pump}}
noun: {{en: heat pump}}
metrics: {{link: {{}}, temp: {{unit: °C}}}}
---
kind: rule
name: no-link
product: home-x
title: {{en: No connection}}
says: {{en: does not answer}}
severity: major
when: link < 1
for: 2m
stage: live
{kind}
---
kind: rule
name: too-hot
product: home-x
title: {{en: Too hot}}
says: {{en: gets too hot}}
when: temp > 60
for: 5m
stage: live
{kind}
"""
RESPECT = "hold: 60s\nflapping: {transitions: 6, within: 2h}\nstorm: {by: [gateway]}"
NO_RESPECT = "hold: 0s\nstorm: {by: [gateway], devices: 100000}"
HOME = """
---
kind: customer
id: c-{n}
name: Owner {n}
phone: "+336{n:08d}"
timezone: Europe/Paris
{wish}
---
kind: device
id: d-{n}
product: home-x
customer: c-{n}
gateway: gw-1
"""


@dataclass(frozen=True, slots=True)
class Tally:
    """What came out of a week."""

    per_customer: Sequence[int]
    at_night: int
    repeated: int
    """The same words once more to the same person within a day."""
    unfounded: int
    """"It is over" to somebody who had not heard that it began."""
    unwanted: int
    """To people who had said no."""
    seconds: float

    def line(self, name: str) -> str:
        """One row of the table."""
        counts = sorted(self.per_customer)
        late = counts[min(len(counts) - 1, int(len(counts) * 0.95))]
        told = f"{mean(counts):6.2f} {median(counts):7.1f} {late:5d} {counts[-1]:5d}"
        return f"{name:<16} {told} {self.at_night:9d} {self.repeated:9d} {self.unfounded:10d} {self.unwanted:9d}"


COLUMNS = (("mean", 6), ("median", 7), ("p95", 5), ("max", 5), ("at night", 9), ("repeated", 9))
HEADER = " " * 16 + "".join(f" {name:>{width}}" for name, width in (*COLUMNS, ("unfounded", 10), ("unwanted", 9)))


class Week:
    """One house that lives through it."""

    def __init__(self, folder: Path, homes: int, *, respect: bool) -> None:
        self.clock = FakeClock(MONDAY)
        self.database = Database(f"sqlite:///{folder / f'{respect}.db'}")
        Base.metadata.create_all(self.database.engine)
        self.homes, self._rules = homes, RULES.format(kind=RESPECT if respect else NO_RESPECT)
        box = SqlSandbox(self.database, self.clock)
        outbox = SqlOutbox(
            self.database,
            self.clock,
            LinkSigner(b"k" * 32, "https://prv.nt"),
            Recipient(RecipientKind.DISPATCHER, "dispatcher", "Desk", email="desk@example.net"),
            "storm",
            quiet=of_ticket,
            daily_caps=DAILY_CAPS if respect else {},
            wall=lambda: self.clock.now().timestamp(),
        )
        channels = {channel: SandboxChannel(channel, box) for channel in Channel}
        decide = partial(release, stages=STAGES if respect else UNKIND)
        self._sender = Sender(outbox, channels, self.clock, decide=decide)
        self._furnish(listen=respect)

    def live(self, readings: Path) -> Tally:
        """Everything in its order, at its time."""
        began = time.monotonic()
        by_time = groupby(self._found(readings), key=lambda one: one.received_at)
        coming = [(at, list(together)) for at, together in by_time]
        while (now := self._next(coming)) is not None and now <= MONDAY + WEEK + timedelta(days=1):
            self.clock.advance(seconds=max(0.0, (now - self.clock.now()).total_seconds()))
            while coming and coming[0][0] <= now:
                self._fire(coming.pop(0)[1])
            self._settle()
        return self._tally(time.monotonic() - began)

    def _furnish(self, *, listen: bool) -> None:
        """One in twenty wants no messages, one in ten one a day; `listen`: it is noted."""
        homes = "".join(HOME.format(n=n, wish="digest: daily" if n % 10 == 3 else "") for n in range(self.homes))
        with self.database.write() as session:
            apply(session, parse_documents(self._rules + homes), now=MONDAY)
            session.execute(update(Device).values(announced=True, admitted=True))
            for n in range(0, self.homes if listen else 0, 20):
                record(
                    session,
                    RecipientKind.CUSTOMER,
                    f"c-{n}",
                    channels=Channel,
                    granted=False,
                    source=Source.STOP,
                    actor=f"customer:c-{n}",
                    now=MONDAY,
                )

    def _found(self, readings: Path) -> list[Transition]:
        rules = parse_documents(self._rules)
        homes = parse_documents("".join(HOME.format(n=n, wish="") for n in range(self.homes)))
        trial = assemble(rules, read_readings(readings), devices_in(homes), file="storm_week")
        return sorted(run(trial).transitions, key=lambda one: one.received_at)

    def _next(self, coming: Sequence[tuple[datetime, object]]) -> datetime | None:
        """When something happens next: a rule speaks, an appointment comes, a message may go."""
        with self.database.read() as session:
            due = session.scalar(select(func.min(Due.due_at)))
            waiting = session.scalar(select(func.min(Message.not_before)).where(Message.state.in_(WAITING)))
        if waiting is not None:
            # One that was postponed is looked at again in a while, by a clock that only we move.
            waiting = max(waiting, self.clock.now() + timedelta(seconds=5))
        return min((at for at in (due, waiting, coming[0][0] if coming else None) if at), default=None)

    def _fire(self, transitions: Sequence[Transition]) -> None:
        now = self.clock.now()
        with self.database.write() as session:
            session.execute(update(Device).values(last_seen=now))
            pipeline.on_transitions(session, transitions, now=now)

    def _settle(self) -> None:
        now = self.clock.now()
        with self.database.read() as session:
            ids = session.scalars(select(Due.id).where(Due.due_at <= now).order_by(Due.due_at, Due.id)).all()
        for due_id in ids:
            with self.database.write() as session:
                pipeline.on_due(session, due_id, now=now)
        while self._waits() and self._sender.step():
            pass

    def _waits(self) -> bool:
        ready = select(Message.id).where(Message.state.in_(WAITING), Message.not_before <= self.clock.now())
        with self.database.read() as session:
            return session.scalar(ready.limit(1)) is not None

    def _tally(self, seconds: float) -> Tally:
        with self.database.read() as session:
            query = select(Message).where(Message.recipient_kind == "customer", Message.state.in_(tuple(REACHED)))
            told = session.scalars(query.order_by(Message.accepted_at, Message.id)).all()
            people = session.scalars(select(Customer.id)).all()
            folded = dict(session.execute(select(Message.id, Message.folded_into).where(Message.folded_into > 0)).all())
            in_summary = session.scalars(select(Message).where(Message.id.in_(folded))).all()
        counts = Counter(one.recipient_id for one in told)
        night = QuietHours()
        sent = {one.id for one in told}
        warned = {(one.recipient_id, one.ticket_id) for one in told if one.stage in BAD_NEWS}
        warned |= {(one.recipient_id, one.ticket_id) for one in in_summary if one.folded_into in sent}
        over = [one for one in told if one.stage == MessageStage.RESOLVED]
        return Tally(
            per_customer=[counts[person] for person in people],
            at_night=sum(night.holds(one.accepted_at or one.created_at, PARIS) for one in told),
            repeated=_repeated(told),
            unfounded=sum((one.recipient_id, one.ticket_id) not in warned for one in over),
            unwanted=sum(int(one.recipient_id[2:]) % 20 == 0 for one in told),
            seconds=seconds,
        )


def _repeated(told: Sequence[Message]) -> int:
    last: dict[tuple[str, str], datetime] = {}
    found = 0
    for one in told:
        key, at = (one.recipient_id, (one.body or "").partition("http")[0]), one.accepted_at or one.created_at
        found += key in last and at - last[key] < timedelta(days=1)
        last[key] = at
    return found


def write_readings(path: Path, homes: int) -> None:
    """What the homes send: a sample each hour, more around each trouble."""
    chance = random.Random(SEED)
    rows: list[tuple[datetime, str, int, float]] = []
    for n in range(homes):
        own = _own_troubles(n, chance)
        stamps = {MONDAY + timedelta(hours=hour) for hour in range(24 * 7 + 6)}
        for start, end in (*_outages(n), *own):
            stamps |= {start, end, start + timedelta(minutes=3), start + timedelta(minutes=6)}
        for at in sorted(stamps):
            up = not any(start <= at < end for start, end in _outages(n))
            hot = any(start <= at < end for start, end in own)
            rows.append((at, f"d-{n}", int(up), 70.0 if hot else 40.0))
    lines = (f"{name},{at.isoformat()},{link},{temp}" for at, name, link, temp in sorted(rows))
    path.write_text("\n".join(["device_id,ts,link,temp", *lines]) + "\n")


def _outages(n: int) -> list[tuple[datetime, datetime]]:
    """The gateway is down for an hour on Monday, the night to Wednesday, and flaps on Thursday and Saturday night.

    It is noticed at all homes within a minute.
    """
    shift = timedelta(minutes=n % 2)
    spans = [(10.0, 11.0), (46.0, 53.0), *((84 + k / 3, 84 + k / 3 + 1 / 6) for k in range(4)), (143.0, 143.5)]
    return [(MONDAY + timedelta(hours=a) + shift, MONDAY + timedelta(hours=b) + shift) for a, b in spans]


def _own_troubles(n: int, chance: random.Random) -> list[tuple[datetime, datetime]]:
    """Two homes in five have a fault of their own; one in twenty-five has a sensor that chatters for a day."""
    at = MONDAY + timedelta(minutes=chance.randrange(0, 140 * 60, 20))
    if n % 25 == 7:
        return [(at + timedelta(minutes=40 * k), at + timedelta(minutes=40 * k + 20)) for k in range(24)]
    lasts = timedelta(minutes=chance.randrange(40, 20 * 60, 20))
    return [(at, at + lasts)] if chance.random() < 0.4 else []


def weeks(homes: int) -> Iterator[tuple[str, Tally]]:
    """The same week twice."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_readings(folder / "week.csv", homes)
        for title, respect in (("without respect", False), ("with respect", True)):
            week = Week(folder, homes, respect=respect)
            yield title, week.live(folder / "week.csv")
            week.database.close()


def main(homes: int) -> None:
    """Print the table."""
    print(f"{homes} homes behind one gateway, one week: messages per customer\n\n{HEADER}")
    took = []
    for title, tally in weeks(homes):
        took.append(tally.seconds)
        print(tally.line(title), flush=True)
    print(f"\nsimulated in {' and '.join(f'{one:.0f} s' for one in took)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--homes", type=int, default=50)
    main(parser.parse_args().homes)
