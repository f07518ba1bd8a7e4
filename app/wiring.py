"""Builds every part once, from settings; nothing else knows how the parts are joined."""

import os
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import uvicorn

import rules.engine
from api.application import create_app
from api.services import Services
from app import pipeline, status
from app.clockwork import Clockwork
from app.ledger import SqlLedger
from app.settings import Role, Settings, admin_token
from app.slots import Slot
from domain.clock import Clock
from domain.links import LinkSigner
from domain.messages import Channel, RecipientKind
from domain.people import Recipient
from ingest.brokers import parse_brokers
from ingest.role import Ingest
from notify.channels.base import ChannelAdapter
from notify.channels.email_smtp import SmtpEmail, parse_smtp_url
from notify.channels.sandbox import SandboxChannel
from notify.channels.twilio_sms import TwilioAccount, TwilioSms
from notify.sender import Sender
from rules.worker import Pace, Worker
from store import meta
from store.commands import SqlCommandOutbox
from store.database import Database
from store.log_jetstream import JetStreamLog
from store.nats_sessions import NatsMqttSessions
from store.notes import SqlNotes
from store.outbox import DISPATCHER_ID, SqlOutbox
from store.registry import SqlRegistry
from store.sandbox import SqlSandbox

Probe = Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Part:
    """One role, built: `run` until the event is set; `probe` says how it is."""

    run: Callable[[threading.Event], None]
    probe: Probe


@dataclass(frozen=True, slots=True)
class House:
    """What the roles share."""

    settings: Settings
    database: Database
    clock: Clock
    instance: str
    """role@host:pid: the name of this process in leases and reports."""

    def log(self) -> JetStreamLog:
        """A connection to the reading log."""
        return JetStreamLog(self.settings.nats, name=self.instance)

    def signer(self) -> LinkSigner:
        """Signs and opens links; every process has the same key."""
        with self.database.write() as session:
            key = meta.signing_key(session)
        return LinkSigner(key, self.settings.public)

    def dispatcher(self) -> Recipient:
        """Who is told when nobody can be sent."""
        settings = self.settings
        return Recipient(
            RecipientKind.DISPATCHER,
            DISPATCHER_ID,
            settings.dispatcher_name,
            email=settings.dispatcher_email,
            channels=(Channel.EMAIL,),
        )


def instance_name(role: Role) -> str:
    """The name of this process."""
    return f"{role}@{socket.gethostname()}:{os.getpid()}"


def build(role: Role, house: House) -> Part:
    """The part that `role` names."""
    builders: Mapping[Role, Callable[[House], Part]] = {
        "ingest": _ingest,
        "rules": _rules,
        "notify": _notify,
        "clock": _clock,
        "api": _api,
    }
    return builders[role](house)


def _ingest(house: House) -> Part:
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


def _rules(house: House) -> Part:
    log = house.log()
    ledger = SqlLedger(house.database, house.clock, partitions=house.settings.partitions, owner=house.instance)
    pace = Pace(snapshot_s=house.settings.snapshot_every_s, wait_s=0.05)
    worker = Worker(rules.engine, log=log, ledger=ledger, owner=house.instance, pace=pace)

    def probe() -> Mapping[str, Any]:
        outages = worker.outages()
        positions = worker.positions()
        return {
            "trouble": f"{' and '.join(outages)} unavailable; waiting" if outages else None,
            "ready": bool(positions),
            "positions": positions,
            "ends": {p: log.end(p) for p in positions} if log.connected else {},
            "samples": worker.counts.samples,
            "transitions": worker.counts.transitions,
            "skipped_entries": worker.counts.skipped,
        }

    def run(stop: threading.Event) -> None:
        worker.run(stop)
        ledger.release()
        log.close()

    return Part(run, probe)


def _notify(house: House) -> Part:
    trouble: list[str | None] = [None]
    outbox = SqlOutbox(house.database, house.clock, house.signer(), house.dispatcher(), house.instance)
    sender = Sender(outbox, channels(house), house.clock, trouble=lambda line: trouble.__setitem__(0, line))
    return Part(sender.run, lambda: {"trouble": trouble[0]})


def channels(house: House) -> Mapping[Channel, ChannelAdapter]:
    """A provider where settings name one, else the sandbox."""
    settings, box = house.settings, SqlSandbox(house.database, house.clock)
    sms: ChannelAdapter = SandboxChannel(Channel.SMS, box)
    email: ChannelAdapter = SandboxChannel(Channel.EMAIL, box)
    if settings.twilio_account_sid:
        account = TwilioAccount(
            settings.twilio_account_sid, settings.twilio_auth_token, settings.twilio_from, settings.twilio_base_url
        )
        sms = TwilioSms(account, status_callback=f"{settings.public}/hooks/twilio/status")
    if settings.smtp_url:
        email = SmtpEmail(parse_smtp_url(settings.smtp_url), house.clock, mail_from=settings.mail_from)
    return {Channel.SMS: sms, Channel.EMAIL: email}


def _clock(house: House) -> Part:
    log = house.log()
    clockwork = Clockwork(house.database, house.clock, log.append, partitions=house.settings.partitions)

    def run(stop: threading.Event) -> None:
        clockwork.run(stop)
        log.close()

    return Part(run, clockwork.report)


def _api(house: House) -> Part:
    settings, log = house.settings, house.log()
    token, _ = admin_token(settings)
    services = Services(
        database=house.database,
        clock=house.clock,
        signer=house.signer(),
        log=log,
        admin_token=token,
        public_url=settings.public,
        hand_on=pipeline.hand_on,
        dispatcher=house.dispatcher(),
        status=lambda: status.gather(settings, house.database),
        twilio_auth_token=settings.twilio_auth_token or None,
        partitions=settings.partitions,
    )
    config = uvicorn.Config(
        create_app(services),
        host=settings.http_host,
        port=settings.http_port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        server_header=False,
    )
    server = uvicorn.Server(config)

    def run(stop: threading.Event) -> None:
        thread = threading.Thread(target=server.run, name="http", daemon=True)
        thread.start()
        while not stop.wait(0.2) and thread.is_alive():
            pass
        server.should_exit = True
        thread.join(timeout=5)
        log.close()

    return Part(run, lambda: {"ready": server.started})
