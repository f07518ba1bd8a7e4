"""The sender: each message once, whatever fails or is killed in between."""

import shutil
import threading

import pytest

from domain.delivery import Accepted
from domain.errors import DeliveryError, StoreUnavailable
from domain.messages import Channel, MessageStage, MessageState, Refusal, Retry
from domain.outbox import Receipt
from notify.channels.sandbox import SandboxChannel
from notify.outcomes import BACKOFF_S
from notify.phrasebook import TEMPLATES
from notify.render import Renderer
from notify.sender import Sender
from store import outbox
from store.sandbox import SqlSandbox
from store.tables import Customer, Fault, Meta, Ticket
from tests.fakes.mortal import Killed, Mortal
from tests.fakes.outbox_rows import DISPATCHER, House


class Provider:
    """A provider that answers as it is told: a Receipt is given back, an error is raised before or after taking it."""

    provider = "fake"
    sender = "+33700000000"
    patience_s = 10.0
    look_up_after_s = (5.0, 15.0)
    authoritative = True
    repeatable = False

    def __init__(self, channel=Channel.SMS):
        self.channel, self.taken, self.references = channel, [], []
        self.before, self.after = [], []

    def send(self, address, content, *, reference):
        self.references.append(reference)
        if self.before:
            raise self.before.pop(0)
        self.taken.append((address, content.text))
        if self.after:
            raise self.after.pop(0)
        return Receipt(f"SM{len(self.taken)}", MessageState.ACCEPTED)

    def look_up(self, pending):
        if (pending.address, pending.body) in self.taken:
            return Receipt(f"SM{len(self.taken)}", MessageState.SENT)
        return None


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path)
    yield built
    built.database.close()


@pytest.fixture
def sms():
    return Provider()


@pytest.fixture
def email():
    return Provider(Channel.EMAIL)


@pytest.fixture
def start(house, sms, email):
    """A fresh process each time it is called."""
    return lambda box=None: Sender(box or house.outbox(), {Channel.SMS: sms, Channel.EMAIL: email}, house.clock)


def test_the_owner_is_told_once(house, sms, start):
    house.plan()
    sender = start()
    assert [sender.step() for _ in range(3)] == [1, 0, 0]
    assert [address for address, _ in sms.taken] == ["+33612345678"]
    assert sms.taken[0][1].startswith("Thermia: your heat pump stops too often.")
    assert house.message().state == MessageState.ACCEPTED
    assert house.timeline() == ["message_accepted"]


def test_a_fault_that_is_gone_is_not_told(house, sms, start):
    house.plan()
    house.change(Fault, 1, state="resolved")
    start().step()
    assert not sms.taken
    assert house.message().state == MessageState.SUPPRESSED
    assert house.message().reason == "the fault was gone before anybody was told"


def test_the_night_is_kept_and_the_truth_asked_again_in_the_morning(house, sms, start):
    house.clock.advance(hours=12)  # 22:00 in Paris
    house.plan()
    sender = start()
    assert [sender.step(), sender.step()] == [1, 0]
    assert house.message().state == MessageState.HELD
    assert house.message().not_before.hour == 7
    house.change(Fault, 1, state="resolved")
    house.clock.advance(hours=10)
    assert sender.step() == 1
    assert house.message().state == MessageState.SUPPRESSED
    assert not sms.taken


def test_pausing_keeps_everything_in(house, sms, start):
    house.plan()
    house.add(Meta(key=outbox.SENDING_PAUSED, value="1"))
    sender = start()
    assert sender.step() == 0
    house.change(Meta, outbox.SENDING_PAUSED, value="")
    assert sender.step() == 1
    assert len(sms.taken) == 1


def test_a_busy_provider_is_tried_again_when_it_said(house, sms, start):
    house.plan()
    sms.before = [DeliveryError(Refusal.RATE_LIMITED, retry=Retry.SAFE, retry_after_s=90)]
    sender = start()
    sender.step()
    house.wall.advance(89)
    assert sender.step() == 0
    house.wall.advance(1)
    assert sender.step() == 1
    assert len(sms.taken) == 1
    assert house.attempts() == [
        ("submit", "submitting"),
        ("submit", "rate_limited"),
        ("submit", "submitting"),
        ("submit", "accepted"),
    ]


def test_it_gives_up_after_the_last_pause(house, sms, start):
    house.plan()
    sms.before = [DeliveryError(Refusal.UNREACHABLE, retry=Retry.SAFE) for _ in range(20)]
    sender = start()
    for pause in (0, *BACKOFF_S):
        house.wall.advance(pause * 1.2)
        assert sender.step() == 1
    assert house.message().state == MessageState.DEAD
    assert "8 tries" in house.message().reason


def test_a_wrong_number_is_followed_by_the_next_channel(house, sms, email, start):
    house.plan()
    sms.before = [DeliveryError(Refusal.BAD_ADDRESS, retry=Retry.NEVER, code="21211")]
    sender = start()
    sender.step()
    sender.step()
    assert [address for address, _ in email.taken] == ["alice@example.net"]
    assert (house.message().channel, house.message().state) == ("email", MessageState.ACCEPTED)


def test_without_another_channel_a_wrong_number_fails(house, sms, start):
    house.change(Customer, "c-1", email=None)
    house.plan()
    sms.before = [DeliveryError(Refusal.BAD_ADDRESS, retry=Retry.NEVER)]
    start().step()
    assert house.message().state == MessageState.FAILED
    assert "message_failed" in house.timeline()


def test_an_answer_that_did_not_come_is_looked_up_and_not_sent_again(house, sms, start):
    house.plan()
    sms.after = [DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP)]
    sender = start()
    sender.step()
    assert house.message().state == MessageState.SUBMITTING
    assert sender.step() == 0
    house.wall.advance(5)
    sender.step()
    assert (house.message().state, house.message().provider_id) == (MessageState.SENT, "SM1")
    assert len(sms.taken) == 1


def ask_until_settled(house, sender):
    for _ in range(8):
        house.wall.advance(20)
        sender.step()


def test_what_never_arrived_is_sent_again_after_the_grace(house, sms, start):
    house.plan()
    sms.before = [DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP)]
    sender = start()
    sender.step()
    ask_until_settled(house, sender)
    assert len(sms.taken) == 1
    assert house.message().state == MessageState.ACCEPTED
    assert house.attempts().count(("look_up", "not_found")) == 2


def test_where_nobody_can_say_a_person_decides(house, sms, start):
    house.change(Customer, "c-1", email=None)
    house.plan()
    sms.authoritative, sms.look_up_after_s = False, ()
    sms.before = [DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP)]
    sender = start()
    sender.step()
    ask_until_settled(house, sender)
    assert not sms.taken
    assert house.message().state == MessageState.IN_DOUBT


def test_good_news_goes_to_those_told_and_on_the_same_channel(house, sms, email, start):
    house.plan()
    sender = start()
    sender.step()
    house.change(Customer, "c-1", channels=["email", "sms"])
    house.change(Fault, 1, state="resolved")
    house.change(Ticket, 1, state="resolved", healthy_since=house.clock.now())
    house.plan(MessageStage.RESOLVED)
    sender.step()
    assert not email.taken
    assert sms.taken[-1][1].startswith("Thermia: fixed. Your heat pump has run normally since 10:00.")


def test_good_news_waits_for_bad_news_in_flight(house, sms, start):
    house.plan()
    sms.after = [DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP)]
    sender = start()
    sender.step()
    house.change(Ticket, 1, state="resolved")
    house.plan(MessageStage.RESOLVED)
    sender.step()
    assert house.message(2).state == MessageState.READY
    house.wall.advance(6)
    for _ in range(3):
        house.wall.advance(1)
        sender.step()
    assert house.message(2).state == MessageState.ACCEPTED


def test_nobody_told_means_no_good_news(house, sms, start):
    house.clock.advance(hours=12)
    house.plan()
    sender = start()
    sender.step()
    house.change(Fault, 1, state="resolved")
    house.change(Ticket, 1, state="resolved")
    house.plan(MessageStage.RESOLVED)
    house.clock.advance(hours=10)
    while sender.step():
        pass
    assert [house.message(n).state for n in (1, 2)] == [MessageState.SUPPRESSED] * 2
    assert not sms.taken


def test_each_good_news_answers_its_own_bad_news(house, sms, start):
    house.plan()
    sender = start()
    sender.step()
    for life in ("", "1"):
        house.change(Ticket, 1, state="resolved")
        house.plan(MessageStage.RESOLVED, life)
        sender.step()
        house.change(Ticket, 1, state="open")  # it comes back, and goes before anybody hears of it
    assert [house.message(n).state for n in (2, 3)] == [MessageState.ACCEPTED, MessageState.SUPPRESSED]
    assert len(sms.taken) == 2


@pytest.mark.parametrize("authoritative", [True, False])
@pytest.mark.parametrize(
    "death",
    [("take", True), ("Submitting", False), ("Submitting", True), ("Accepted", False), ("Accepted", True)],
)
def test_killed_at_any_point_the_message_is_sent_once(house, sms, start, death, authoritative):
    call, after_commit = death
    house.change(Customer, "c-1", email=None)
    house.plan()
    sms.authoritative = authoritative
    with pytest.raises(Killed):
        start(Mortal(house.outbox("dead"), call, after_commit=after_commit)).step()
    ask_until_settled(house, start())
    never_left = call == "Submitting" and after_commit and not authoritative
    assert len(sms.taken) == (0 if never_left else 1)
    assert house.message().state == (MessageState.IN_DOUBT if never_left else house.message().state)
    assert house.message().state not in {MessageState.READY, MessageState.SUBMITTING}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_inside_the_socket_the_sandbox_gets_one(house, moment):
    class DyingBox(SqlSandbox):
        def put(self, message_id, **what):
            if moment == "after":
                super().put(message_id, **what)
            raise Killed

    house.plan()
    dying = SandboxChannel(Channel.SMS, DyingBox(house.database, house.clock))
    with pytest.raises(Killed):
        Sender(house.outbox("dead"), {Channel.SMS: dying}, house.clock).step()
    sandbox = SandboxChannel(Channel.SMS, SqlSandbox(house.database, house.clock))
    ask_until_settled(house, Sender(house.outbox(), {Channel.SMS: sandbox}, house.clock))
    assert len(house.sandbox()) == 1
    assert house.message().state == MessageState.DELIVERED


def test_two_senders_beside_each_other_send_each_message_once(house, sms, email):
    numbers = [house.plan(MessageStage.VISIT_NONE_FREE, str(n))[0] for n in range(12)]
    boxes = [house.outbox(f"s{n}", daily_caps={}) for n in range(2)]
    senders = [Sender(box, {Channel.SMS: sms, Channel.EMAIL: email}, house.clock) for box in boxes]
    stop = threading.Event()
    threads = [threading.Thread(target=sender.run, args=(stop,)) for sender in senders]
    for thread in threads:
        thread.start()
    deadline = threading.Event()
    while len(sms.taken) < len(numbers) and not deadline.wait(0.05):
        pass
    deadline.wait(0.3)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(sms.references) == len(set(sms.references)) == len(numbers)


def test_a_locked_database_is_waited_for_and_said_once(house, sms, email):
    house.plan()
    lines = []
    box = house.outbox()
    gone = [StoreUnavailable("database is locked")] * 5

    class Flaky:
        paused, broken, take = box.paused, box.broken, box.take

        def write(self, reports):
            if isinstance(reports[0][1], Accepted) and gone:
                raise gone.pop()
            return box.write(reports)

    sender = Sender(
        Flaky(), {Channel.SMS: sms, Channel.EMAIL: email}, house.clock, trouble=lines.append, trouble_s=0.02
    )
    sender.step()
    assert lines == ["waits for the database", None]
    assert len(sms.taken) == 1
    assert house.message().state == MessageState.ACCEPTED


@pytest.fixture
def broken(tmp_path):
    """The words of an opening by text message have a mistake, all others are as shipped."""
    shutil.copytree(TEMPLATES, tmp_path / "templates")
    (tmp_path / "templates" / "sms" / "opening.en.txt").write_text("{{ maker }}:\nyour {{ nuon }} needs you.")
    return Renderer(tmp_path / "templates")


def test_a_template_that_fails_sends_plain_words_and_is_noted(house, sms, email, broken):
    house.plan()
    Sender(house.outbox(), {Channel.SMS: sms, Channel.EMAIL: email}, house.clock, renderer=broken).step()
    assert sms.taken[0][1].startswith("Thermia: there is news about your heat pump: https://prv.nt/c/1.")
    assert ("render", "template") in house.attempts()
    assert "message_template_failed" in house.timeline()


def test_the_dispatcher_hears_once_a_day_of_a_template_that_fails(house, sms, email, broken):
    sender = Sender(house.outbox(), {Channel.SMS: sms, Channel.EMAIL: email}, house.clock, renderer=broken)

    def told(*occurrences):
        for occurrence in occurrences:
            house.plan(MessageStage.OPENING, occurrence)
        while sender.step():
            pass
        return [text for address, text in sms.taken if address == DISPATCHER.phone]

    (text,) = told("", "1", "2")
    assert text.startswith("A message text fails: sms/opening.en.txt.")
    house.clock.advance(days=1)
    assert len(told("3")) == 2


def test_an_unexpected_error_is_no_end_of_the_loop(house, sms, email):
    house.plan()
    house.plan(MessageStage.RELAPSED, "1")
    sms.before = [RuntimeError("a bug")]
    sender = Sender(house.outbox(), {Channel.SMS: sms, Channel.EMAIL: email}, house.clock, trouble_s=0.02)
    stop = threading.Event()
    thread = threading.Thread(target=sender.run, args=(stop,))
    thread.start()
    for _ in range(200):
        if sms.taken or stop.wait(0.02):
            break
    stop.set()
    thread.join()
    assert len(sms.taken) == 1


def test_what_the_receiver_takes_once_is_simply_sent_again(house, sms, start):
    sms.authoritative, sms.repeatable, sms.look_up_after_s = False, True, ()
    sms.look_up = lambda _pending: None
    sms.after.append(DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP, detail="timed out"))
    house.plan()
    sender = start()
    for _ in range(6):
        house.wall.advance(2)
        sender.step()
    assert (len(sms.references), len(set(sms.references))) == (2, 1)
    assert house.message().state == MessageState.ACCEPTED


def test_a_decision_that_outlived_its_lease_is_not_sent_beside_the_next_one(house, sms):
    """A machine under load: the lease of what waits for a slot runs out, and the sender takes its own message again."""

    class Late:
        inner = house.outbox()
        paused, broken, write = inner.paused, inner.broken, inner.write

        def take(self, limit, *, urgent=False):
            first = self.inner.take(limit, urgent=urgent)
            house.wall.advance(outbox.TAKE_LEASE_S)
            return [*first, *self.inner.take(limit, urgent=urgent)]

    house.plan()
    Sender(Late(), {Channel.SMS: sms}, house.clock).step()
    assert len(sms.references) == 1
    assert house.message().state == MessageState.ACCEPTED
