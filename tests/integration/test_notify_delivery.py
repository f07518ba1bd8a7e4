"""The notify role against real servers: a killed process, an SMTP relay, PostgreSQL."""

import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path

import dkim
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as Mailbox

from app.house import House as Wired
from app.parts.notify import channels
from app.settings import Settings
from domain.links import Purpose
from domain.messages import Channel, MessageStage, MessageState
from domain.outbox import Content
from notify.channels.email_message import Letterhead
from notify.channels.email_smtp import SmtpEmail, parse_smtp_url
from notify.channels.sandbox import SandboxChannel
from notify.return_address import opened
from notify.sender import Sender
from store.sandbox import SqlSandbox
from store.tables import Customer
from tests.fakes.dkim_key import PRIVATE_KEY, dns_record
from tests.fakes.outbox_rows import House
from tests.fakes.postgres import postgres
from tests.fakes.servers import served
from tests.fakes.twilio_fake import create_twilio
from tests.real import free_port

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path)
    yield built
    built.database.close()


@contextmanager
def notify_process(house, twilio_url):
    command = [sys.executable, "-m", "tests.fakes.notify_process", house.database.url, twilio_url]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(condition, *, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


@pytest.mark.parametrize("taken", [True, False], ids=["after Twilio took it", "before Twilio took it"])
def test_killed_while_twilio_answers_the_customer_gets_one_text(house, taken):
    house.plan()
    app = create_twilio()
    twilio = app.state.twilio
    with served(app) as url:
        twilio.plan("+33612345678", "accept-then-hang" if taken else "hang")
        with notify_process(house, url) as victim:
            wait_for(lambda: twilio.requests)
            wait_for(lambda: len(twilio.messages) == taken)
            victim.kill()
            victim.wait()
        assert house.message().state == MessageState.SUBMITTING
        with notify_process(house, url):
            if taken:
                wait_for(lambda: house.message().state == MessageState.ACCEPTED)
            else:
                wait_for(lambda: ("look_up", "not_found") in house.attempts())
        twilio.released.set()
    assert len(twilio.messages) == (1 if taken else 0)
    assert len(twilio.requests) == 1


class Raw:
    def __init__(self):
        self.envelopes = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        self.envelopes.append(envelope)
        return "250 OK"


class Inbox(Mailbox):
    def __init__(self):
        super().__init__()
        self.mails = []

    def prepare_message(self, session, envelope):
        return message_from_bytes(envelope.content, policy=policy.default)

    def handle_message(self, message):
        self.mails.append(message)


def test_an_opening_by_email_arrives_with_both_forms_and_the_signed_link(house):
    house.change(Customer, "c-1", channels=["email"], language="fr")
    house.plan()
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        server = parse_smtp_url(f"smtp://127.0.0.1:{controller.port}")
        email = SmtpEmail(server, house.clock, letterhead=Letterhead("Thermia <care@thermia.example>"))
        Sender(house.outbox(), {Channel.EMAIL: email}, house.clock).step()
    finally:
        controller.stop()
    (mail,) = inbox.mails
    assert mail["To"] == "alice@example.net"
    assert mail["Subject"] == "Votre pompe se coupe trop souvent"
    assert all("https://prv.nt/c/1." in mail.get_body((form,)).get_content() for form in ("plain", "html"))
    assert house.message().state == MessageState.ACCEPTED
    assert house.message().provider_id == mail["Message-ID"]


def test_mail_settings_are_joined_to_a_channel_that_signs_and_knows_its_way_back(house, tmp_path):
    (tmp_path / "dkim.pem").write_bytes(PRIVATE_KEY)
    inbox = Raw()
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        smtp_url=f"smtp://127.0.0.1:{controller.port}",
        mail_from="care@thermia.example",
        mail_reply_to="answers@thermia.example",
        mail_hook_secret="whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
        dkim_selector="2026",
        dkim_key_file=str(tmp_path / "dkim.pem"),
    )
    built = Wired(settings, house.database, house.clock, "notify@test:1")
    try:
        email = channels(built)[Channel.EMAIL]
        email.send("alice@example.net", Content("Bonjour", "Salut", sender="Thermia"), reference="42-a")
    finally:
        controller.stop()
    (envelope,) = inbox.envelopes
    mail = message_from_bytes(envelope.content, policy=policy.default)
    assert dkim.verify(envelope.content, dnsfunc=dns_record)
    assert mail["From"] == "Thermia <care@thermia.example>"
    assert opened(built.signer(), str(mail["Reply-To"])) == (Purpose.REPLY, 42)
    assert opened(built.signer(), envelope.mail_from) == (Purpose.BOUNCE, 42)
    assert envelope.mail_from.startswith("answers+b.")


def test_a_database_locked_by_another_is_waited_for_and_said_once(house):
    house.plan()
    said = []
    sms = SandboxChannel(Channel.SMS, SqlSandbox(house.database, house.clock))
    sender = Sender(house.outbox(), {Channel.SMS: sms}, house.clock, trouble=said.append, trouble_s=0.05)
    stop = threading.Event()
    thread = threading.Thread(target=sender.run, args=(stop,))
    other = sqlite3.connect(house.database.url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    thread.start()
    try:
        time.sleep(1.5)
        assert said == ["waits for the database"]
        other.execute("ROLLBACK")
        wait_for(lambda: house.message().state == MessageState.DELIVERED)
        wait_for(lambda: said == ["waits for the database", None])
    finally:
        stop.set()
        thread.join()
        other.close()
    assert len(house.sandbox()) == 1


@pytest.fixture
def postgres_house(tmp_path):
    with postgres() as url:
        built = House(tmp_path, url=url)
        yield built
        built.database.close()


def test_on_postgresql_three_senders_send_each_message_once(postgres_house):
    house = postgres_house
    numbers = [house.plan(MessageStage.VISIT_NONE_FREE, str(n)) for n in range(15)]
    assert house.plan(MessageStage.VISIT_NONE_FREE, "3") == []
    sms = SandboxChannel(Channel.SMS, SqlSandbox(house.database, house.clock))
    stop = threading.Event()
    senders = [Sender(house.outbox(f"s{n}", daily_caps={}), {Channel.SMS: sms}, house.clock) for n in range(3)]
    threads = [threading.Thread(target=sender.run, args=(stop,)) for sender in senders]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: len(house.sandbox()) == len(numbers))
        wait_for(lambda: house.timeline().count("message_accepted") == len(numbers))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert house.attempts().count(("submit", "submitting")) == len(numbers)
