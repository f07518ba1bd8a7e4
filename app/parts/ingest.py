"""The ingest role: brokers in, reading log out, and the database beside it."""

import socket
import threading
from dataclasses import dataclass
from datetime import datetime

from app import pipeline
from app.house import House, Part
from app.slots import Slot
from ingest.brokers import parse_brokers
from ingest.role import Ingest
from store.commands import SqlCommandOutbox
from store.database import Database
from store.nats_sessions import NatsMqttSessions
from store.notes import SqlNotes
from store.registry import SqlRegistry


def build(house: House) -> Part:
    settings, log = house.settings, house.log()
    # The embedded broker speaks 3.1.1 alone: no need to be refused first.
    slot = Slot.take(settings.data_dir / "run")
    brokers = parse_brokers(settings.mqtt_url or f"{settings.mqtt}?version=3.1.1")
    ingest = Ingest(
        brokers,
        log,
        registry=SqlRegistry(house.database),
        notes=SqlNotes(house.database),
        outbox=SqlCommandOutbox(house.database),
        answers=Answers(house.database),
        clock=house.clock,
        partitions=settings.partitions,
        instance="embedded" if not settings.mqtt_url else f"{socket.gethostname()}-{slot.number}",
        sessions=None if settings.mqtt_url else NatsMqttSessions(log),
    )

    def run(stop: threading.Event) -> None:
        ingest.run(stop)
        log.close()
        slot.release()

    return Part(run, ingest.report)


@dataclass(frozen=True, slots=True)
class Answers:
    """Implements `ingest.ledger.CommandAnswers`."""

    database: Database

    def finished(self, command_id: str, status: str, detail: str, at: datetime) -> None:
        """In one transaction, with all that follows."""
        with self.database.write() as session:
            pipeline.on_command_answer(session, command_id, status=status, detail=detail, now=at)
