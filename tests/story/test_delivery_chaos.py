"""Two thousand messages through a provider that misbehaves in every way, while it and the sender are killed."""

import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select

from app.receipts import ReceiptPoll
from domain.messages import MessageState
from notify.channels.twilio_sms import TwilioAccount, TwilioSms
from store.tables import Customer, Device, Fault, Message, MessageAttempt, SandboxMessage, Ticket
from tests.fakes.chaos_twilio import plan_of
from tests.fakes.outbox_rows import START, TITLE, House
from tests.fakes.twilio_fake import ACCOUNT, SENDER, TOKEN
from tests.real import free_port

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = 2000
SPEED = 10.0
"""How much faster leases, pauses and breakers are than in life."""
UNDER_WAY = (MessageState.HELD, MessageState.READY, MessageState.SUBMITTING)
LIMIT_S = 360.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


def number_of(n):
    return f"+336{n:08d}"


def has_email(n):
    return n % 2 == 0


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path)
    ids = range(100, 100 + MESSAGES)
    with built.database.write() as session:
        fill(session, Customer, ids, customer)
        fill(session, Device, ids, device)
        fill(session, Ticket, ids, ticket)
        fill(session, Fault, ids, fault)
        fill(session, Message, ids, message)
    yield built
    built.database.close()


def fill(session, table, ids, row):
    session.execute(insert(table), [row(n) for n in ids])


def customer(n):
    email = f"a{n}@example.net" if has_email(n) else None
    return {"id": f"c-{n}", "name": f"Person {n}", "phone": number_of(n), "email": email, "timezone": "Europe/Paris"}


def device(n):
    return {"id": f"hp-{n}", "product": "heatpump-x", "customer_id": f"c-{n}", "registered_at": START}


def ticket(n):
    rule = {"rule": "overheat", "rule_version": 1, "severity": "safety" if n % 10 == 0 else "major", "title": TITLE}
    owner = {"device_id": f"hp-{n}", "customer_id": f"c-{n}", "family": "cooling", "state": "open", "cause": "fault"}
    return {"id": n, **rule, **owner, "opened_at": START, "onset": START, "updated_at": START}


def fault(n):
    moments = dict.fromkeys(("onset", "fired_at", "received_at", "detected_at"), START)
    facts = {"stage": "live", "episode": 1, "state": "firing", "severity": "major", "rule": "overheat"}
    return {"id": n, "rule_version": 1, "device_id": f"hp-{n}", "ticket_id": n, **moments, **facts}


def message(n):
    who = {"recipient_kind": "customer", "recipient_id": f"c-{n}", "purpose": "service"}
    return {
        "id": n,
        "ticket_id": n,
        "stage": "opening",
        "state": "ready",
        "not_before": START,
        "created_at": START,
        **who,
    }


class Processes:
    """The provider and the sender, each killed and started again."""

    def __init__(self, house, memory):
        self.port = free_port()
        self._commands = {
            "provider": ["tests.fakes.chaos_twilio", str(memory), str(self.port)],
            "notify": ["tests.fakes.notify_process", house.database.url, self.url, str(SPEED)],
        }
        self._running, self.kills = {}, Counter()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self, name):
        command = [sys.executable, "-m", *self._commands[name]]
        self._running[name] = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)

    def kill(self, name):
        self._running[name].kill()
        self._running[name].wait()
        self.kills[name] += 1


@contextmanager
def running(house, memory):
    processes = Processes(house, memory)
    with ExitStack() as stack:
        for name in ("provider", "notify"):
            processes.start(name)
            stack.callback(processes.kill, name)
        yield processes


def under_way(house):
    with house.database.read() as session:
        return session.scalar(select(func.count(Message.id)).where(Message.state.in_(UNDER_WAY)))


def submitted(house):
    with house.database.read() as session:
        query = select(func.count(MessageAttempt.id)).where(MessageAttempt.outcome == "submitting")
        return session.scalar(query)


def play(house, processes, dice):
    """Kill the sender each time it has got somewhere, the provider now and then, until nothing is under way."""
    deadline, mark = time.monotonic() + LIMIT_S, dice.randint(100, 300)
    while under_way(house):
        assert time.monotonic() < deadline, table(house)
        time.sleep(0.2)
        if submitted(house) < mark:
            continue
        if processes.kills["notify"] % 3 == 1:
            processes.kill("provider")
            time.sleep(dice.uniform(0.0, 0.5))
            processes.start("provider")
        processes.kill("notify")
        processes.start("notify")
        mark = submitted(house) + dice.randint(150, 450)


def ask_for_receipts(house, url):
    """A day later: what became of those that were accepted."""
    account = TwilioAccount(sid=ACCOUNT, auth_token=TOKEN, sender=SENDER, base_url=url)
    twilio = TwilioSms(account, timeout_s=2.0)
    house.clock.advance(hours=2)
    ReceiptPoll(house.database, house.clock, {"twilio": twilio.fetch}, cap=MESSAGES).work()
    twilio.close()


def table(house):
    """What became of the messages, by how the provider was to answer."""
    with house.database.read() as session:
        rows = session.execute(
            select(Customer.phone, Message.state, Message.channel, Message.reason)
            .join(Customer, Customer.id == Message.recipient_id)
            .where(Message.id >= 100)
        ).all()
    counts = Counter((" → ".join(plan_of(phone)), state, channel, reason) for phone, state, channel, reason in rows)
    return "\n".join(f"{count:5} {' | '.join(map(str, what))}" for what, count in sorted(counts.items(), key=str))


def taken(memory):
    with sqlite3.connect(memory) as db:
        return db.execute("SELECT number, count(*) FROM messages GROUP BY number").fetchall()


def ends(n):
    """How a message may end. A line that is out of order sends those with a mailbox there."""
    by_mail = {(MessageState.DELIVERED, "email")} if has_email(n) else set()
    if "take" in plan_of(number_of(n))[-1]:
        return by_mail | {(MessageState.DELIVERED, "sms")}
    return by_mail or {(MessageState.FAILED, "sms")}


def test_whatever_fails_and_dies_each_of_two_thousand_people_is_told_once(house, tmp_path):
    memory = tmp_path / "provider.db"
    with running(house, memory) as processes:
        play(house, processes, random.Random(7))
        ask_for_receipts(house, processes.url)
        kills = dict(processes.kills)
    with house.database.read() as session:
        rows = session.execute(
            select(Message.id, Message.state, Message.channel, Message.reason).where(Message.id >= 100)
        )
        found = {row.id: row for row in rows}
        emailed = Counter(session.scalars(select(SandboxMessage.message_id)))
    texted, ended = dict(taken(memory)), {n: (row.state, row.channel) for n, row in found.items()}
    assert {n: end for n, end in ended.items() if end not in ends(n)} == {}, table(house)
    assert {number: count for number, count in texted.items() if count != 1} == {}, table(house)
    assert set(texted) == {number_of(n) for n, end in ended.items() if end == (MessageState.DELIVERED, "sms")}
    assert emailed == Counter(n for n, (_, channel) in ended.items() if channel == "email")
    assert all(row.reason for row in found.values() if row.state == MessageState.FAILED), table(house)
    assert kills["notify"] >= 5, kills
    assert kills["provider"] >= 2, kills
