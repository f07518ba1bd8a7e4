"""Mail through a real Postfix, there and back: what its reports do to messages, and what the far end can verify."""

import smtplib
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import dkim
import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import select

from domain.messages import Channel, MessageStage, MessageState, Purpose
from domain.tickets import Announce, TicketState
from notify.channels.email_dkim import DkimSigner
from notify.channels.email_message import Letterhead
from notify.channels.email_smtp import SmtpEmail, parse_smtp_url
from notify.channels.sandbox import SandboxChannel
from notify.sender import Sender
from store import consent, people, planning
from store.outbox import SqlOutbox
from store.sandbox import SqlSandbox
from store.tables import Consent, Customer, Message, MessageAttempt, Ticket
from tests.fakes.api_house import House
from tests.fakes.dkim_key import PRIVATE_KEY, dns_record
from tests.fakes.postfix import postfix
from tests.fakes.servers import served
from tests.real import free_port

ROOT = Path(__file__).resolve().parents[2]
KEY = b"k" * 32
SECRET = "whsec_" + b64encode(KEY).decode()


class FarEnd:
    """The mail systems of the world: some addresses are gone, some are busy."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address.startswith("gone"):
            return "550 5.1.1 no such user here"
        if address.startswith("busy"):
            return "451 4.7.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope.content)
        return "250 taken"


class OurMailbox:
    """Delivers to `prevenant mail-in`, as Postfix' pipe does."""

    def __init__(self) -> None:
        self.house_url, self.codes, self.mails = "", list[int](), list[bytes]()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope.content)
        mail = f"Return-Path: <{envelope.mail_from}>\r\nDelivered-To: {envelope.rcpt_tos[0]}\r\n".encode()
        done = subprocess.run(
            [sys.executable, "-m", "app", "mail-in"],
            cwd=ROOT,
            input=mail + envelope.content,
            env={
                "PREVENANT_NO_ENV_FILE": "1",
                "PREVENANT_PUBLIC_URL": self.house_url,
                "PREVENANT_MAIL_HOOK_SECRET": SECRET,
            },
            check=False,
            timeout=60,
        )
        self.codes.append(done.returncode)
        return "250 handed in" if done.returncode == 0 else "451 later"


class Post:
    """The far end, Postfix and our mailbox."""

    def __init__(self, far: FarEnd, mailbox: OurMailbox, port: int) -> None:
        self.far, self.mailbox, self.port = far, mailbox, port


@pytest.fixture(scope="module")
def post() -> Iterator[Post]:
    far, mailbox = FarEnd(), OurMailbox()
    servers = [Controller(handler, hostname="127.0.0.1", port=free_port()) for handler in (far, mailbox)]
    for server in servers:
        server.start()
    try:
        with postfix(far_end=servers[0].port, domain="thermia.example", back=servers[1].port) as port:
            yield Post(far, mailbox, port)
    finally:
        for server in servers:
            server.stop()


class Home:
    """A house with one ticket; its owner likes e-mail best, and has a phone."""

    def __init__(self, house: House, post: Post) -> None:
        self.house, self.post = house, post
        house.apply()
        ticket = house.client.post("/v1/tickets", json={"device_id": "hp-1", "title": "Pump stops"})
        self.ticket_id = ticket.json()["id"]
        letterhead = Letterhead("Thermia <care@thermia.example>", returns=house.signer)
        server = parse_smtp_url(f"smtp://127.0.0.1:{post.port}")
        dkim_signer = DkimSigner("2026", "thermia.example", PRIVATE_KEY)
        outbox = SqlOutbox(house.database, house.clock, house.signer, house.services.dispatcher, "notify")
        box = SqlSandbox(house.database, house.clock)
        self.sender = Sender(
            outbox,
            {
                Channel.SMS: SandboxChannel(Channel.SMS, box),
                Channel.EMAIL: SmtpEmail(server, house.clock, letterhead=letterhead, dkim=dkim_signer),
            },
            house.clock,
        )

    def lives_at(self, address: str) -> None:
        with self.house.database.write() as session:
            owner = session.get_one(Customer, "c-1")
            owner.email, owner.channels, owner.language = address, ["email", "sms"], "en"

    def tell(self, stage: MessageStage = MessageStage.OPENING) -> int:
        with self.house.database.write() as session:
            (number,) = planning.plan(session, Announce(self.ticket_id, stage), now=self.house.clock.now())
        self.sender.step()
        return number

    def message(self, number: int) -> Message:
        with self.house.database.read() as session:
            return session.get_one(Message, number)

    def receipts(self, number: int) -> list[tuple[str, str]]:
        query = select(MessageAttempt).where(MessageAttempt.message_id == number, MessageAttempt.kind == "receipt")
        with self.house.database.read() as session:
            return [(one.code, one.detail) for one in session.scalars(query.order_by(MessageAttempt.id))]

    def ledger(self) -> list[tuple[str, str, bool, str | None]]:
        with self.house.database.read() as session:
            return [(one.source, one.channel, one.granted, one.address) for one in session.scalars(select(Consent))]


@pytest.fixture
def home(post: Post, tmp_path: Path) -> Iterator[Home]:
    house = House(tmp_path, mail_hook_key=KEY)
    with served(house.app) as url:
        post.mailbox.house_url = url
        yield Home(house, post)
    house.close()


def wait_for(condition: Callable[[], object], *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def test_a_real_bounce_suppresses_the_address_and_the_next_channel_speaks(home: Home) -> None:
    home.lives_at("gone@far.example")
    number = home.tell()
    wait_for(home.ledger)
    assert home.ledger() == [(consent.Source.BOUNCE, "email", False, "gone@far.example")]
    ((code, detail),) = home.receipts(number)
    assert code == "5.1.1"
    assert "no such user here" in detail
    assert home.message(number).reason == f"it came back: 5.1.1 {detail.partition('5.1.1 ')[2]}"
    assert b"text/rfc822-headers" in home.post.mailbox.mails[-1]  # our words do not travel again
    home.sender.step()
    assert (home.message(number).channel, home.message(number).state) == ("sms", MessageState.DELIVERED)
    later = home.tell(MessageStage.CALL_PROMISED)
    assert home.message(later).channel == "sms"
    home.lives_at("moved@far.example")
    with home.house.database.read() as session:
        assert not people.customer(session, "c-1").refuses(Channel.EMAIL, Purpose.SERVICE)


def test_a_mailbox_that_stays_busy_is_noted_then_left_for_the_next_channel_and_stays_good(home: Home) -> None:
    home.lives_at("busy@far.example")
    number = home.tell()
    wait_for(lambda: home.receipts(number))
    assert home.receipts(number)[0][1].startswith("delayed:")
    assert home.message(number).state == MessageState.ACCEPTED
    wait_for(lambda: home.message(number).state == MessageState.READY)
    home.sender.step()
    assert home.message(number).channel == "sms"
    assert home.ledger() == []


def test_the_far_end_behind_a_real_relay_can_verify_that_the_mail_is_ours(home: Home) -> None:
    home.lives_at("alice@far.example")
    before = len(home.post.far.mails)
    number = home.tell()
    wait_for(lambda: len(home.post.far.mails) > before)
    raw = home.post.far.mails[-1]
    assert dkim.verify(raw, dnsfunc=dns_record)
    mail = message_from_bytes(raw, policy=policy.default)
    assert mail["Message-ID"] == home.message(number).provider_id
    covered = {name.strip() for name in str(mail["DKIM-Signature"]).partition("h=")[2].partition(";")[0].split(":")}
    assert covered >= {"from", "to", "subject", "date", "message-id", "auto-submitted", "reply-to"}
    assert covered >= {"list-unsubscribe", "list-unsubscribe-post"}
    for header in (b"Subject: ", b"List-Unsubscribe: ", b"Reply-To: "):
        assert not dkim.verify(raw.replace(header, header + b"x", 1), dnsfunc=dns_record)
        assert not dkim.verify(header + b"another\r\n" + raw, dnsfunc=dns_record)


def test_an_answer_to_our_mail_comes_back_to_its_ticket(home: Home) -> None:
    home.lives_at("alice@far.example")
    before = len(home.post.far.mails)
    home.tell()
    wait_for(lambda: len(home.post.far.mails) > before)
    ours = message_from_bytes(home.post.far.mails[-1], policy=policy.default)
    answer = (
        f"From: Alice <alice@far.example>\r\nTo: {ours['Reply-To']}\r\nSubject: Re: {ours['Subject']}\r\n"
        f"Message-ID: <1@far.example>\r\nIn-Reply-To: {ours['Message-ID']}\r\n\r\nPlease send someone.\r\n\r\n"
        "On Tue, 3 Mar 2026 at 09:00, Thermia <care@thermia.example> wrote:\r\n> STOP ends these messages.\r\n"
    )
    with smtplib.SMTP("127.0.0.1", home.post.port) as smtp:
        smtp.sendmail("alice@far.example", [str(ours["Reply-To"])], answer.encode())

    def state() -> str:
        with home.house.database.read() as session:
            return session.get_one(Ticket, home.ticket_id).state

    wait_for(lambda: state() == TicketState.PENDING_VISIT)
    assert home.post.mailbox.codes[-1] == 0
