"""Rows for tests of the outbox: a heat pump, its maker and owner, a technician, a firing fault and its open ticket."""

import tempfile
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from domain.clock import FakeClock
from domain.links import LinkSigner
from domain.messages import Channel, MessageStage, RecipientKind
from domain.people import Recipient
from domain.tickets import Announce
from store import outbox, planning
from store.database import Database
from store.tables import (
    Base,
    Customer,
    Device,
    Fault,
    Maker,
    Message,
    MessageAttempt,
    Product,
    Rule,
    RuleVersion,
    SandboxMessage,
    Technician,
    Ticket,
    TimelineEntry,
)

START = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
DISPATCHER = Recipient(
    kind=RecipientKind.DISPATCHER, id="dispatcher", name="Desk", phone="+33100000000", channels=(Channel.SMS,)
)


class Wall:
    """Real time, as leases see it, moved by the test."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


class House:
    """A database file with one story in it."""

    def __init__(self, folder: Path, *, url: str = "") -> None:
        file = folder / "house.db"
        if not url:
            file.write_bytes(_furnished())
        self.database = Database(url or f"sqlite:///{file}", busy_timeout_s=0.2)
        self.clock, self.wall = FakeClock(START), Wall()
        self.signer = LinkSigner(b"k" * 32, "https://prv.nt")
        if url:
            _furnish(self.database)

    def outbox(self, owner: str = "notify-1", **settings: Any) -> outbox.SqlOutbox:
        """As a process that has just started sees it."""
        return outbox.SqlOutbox(self.database, self.clock, self.signer, DISPATCHER, owner, wall=self.wall, **settings)

    def plan(self, stage: MessageStage = MessageStage.OPENING, occurrence: str = "", **details: Any) -> list[int]:
        with self.database.write() as session:
            return planning.plan(session, Announce(1, stage, occurrence, details), now=self.clock.now())

    def change(self, table: type[Base], key: object, **values: Any) -> None:
        with self.database.write() as session:
            row = session.get_one(table, key)
            for name, value in values.items():
                setattr(row, name, value)

    def add(self, *rows: Base) -> None:
        with self.database.write() as session:
            session.add_all(rows)

    def message(self, number: int = 1) -> Message:
        with self.database.read() as session:
            return session.get_one(Message, number)

    def timeline(self) -> list[str]:
        with self.database.read() as session:
            return [entry.kind for entry in session.query(TimelineEntry).order_by(TimelineEntry.id)]

    def attempts(self) -> list[tuple[str, str]]:
        with self.database.read() as session:
            return [(one.kind, one.outcome) for one in session.query(MessageAttempt).order_by(MessageAttempt.id)]

    def sandbox(self) -> list[str]:
        with self.database.read() as session:
            return [one.body for one in session.query(SandboxMessage).order_by(SandboxMessage.id)]


@cache
def _furnished() -> bytes:
    """A furnished SQLite file: making its tables takes longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "house.db"
        database = Database(f"sqlite:///{file}")
        _furnish(database)
        database.close()  # the last connection to leave moves the write-ahead log into the file
        return file.read_bytes()


def _furnish(database: Database) -> None:
    Base.metadata.create_all(database.engine)
    with database.write() as session:
        _seed(session)


def _seed(session: Session) -> None:
    session.add_all([*_people(), *_product(), *_rule()])
    session.flush()
    session.add(
        Device(id="hp-1", product="heatpump-x", customer_id="c-1", address="1 rue de la Paix", registered_at=START)
    )
    session.add(_ticket())
    session.flush()
    session.add(_fault())


def _people() -> list[Base]:
    alice = Customer(
        id="c-1",
        name="Alice Martin",
        language="en",
        phone="+33612345678",
        email="alice@example.net",
        timezone="Europe/Paris",
    )
    return [alice, Technician(id="t-1", name="Sam Diallo", phone="+33698765432", skills=["refrigerant"])]


def _product() -> list[Base]:
    noun = {"en": "heat pump", "fr": "pompe"}
    pump = Product(name="heatpump-x", maker="thermia", title={"en": "Heat pump X"}, noun=noun)
    return [Maker(id="thermia", name="Thermia"), pump]


TITLE = {"en": "Compressor too hot", "fr": "Compresseur trop chaud"}


def _rule() -> list[Base]:
    version = RuleVersion(
        name="overheat",
        version=1,
        body={},
        family="cooling",
        title=TITLE,
        says={"en": "stops too often", "fr": "se coupe trop souvent"},
        severity="major",
        hold_s=0.0,
        created_at=START,
    )
    return [Rule(name="overheat", stage="live", version=1), version]


def _ticket() -> Ticket:
    return Ticket(
        id=1,
        device_id="hp-1",
        family="cooling",
        customer_id="c-1",
        state="open",
        cause="fault",
        severity="major",
        title=TITLE,
        rule="overheat",
        rule_version=1,
        opened_at=START,
        onset=START,
        updated_at=START,
    )


def _fault() -> Fault:
    return Fault(
        id=1,
        rule="overheat",
        rule_version=1,
        stage="live",
        device_id="hp-1",
        episode=1,
        state="firing",
        severity="major",
        onset=START,
        fired_at=START,
        received_at=START + timedelta(seconds=1),
        detected_at=START + timedelta(seconds=1),
        ticket_id=1,
    )
