"""Breakers and paces at rest: what one process learns of a line, all of them know."""

from datetime import timedelta

import pytest

from domain.delivery import Accepted, Ended, Postponed, Submitting, Unknown
from domain.lines import CANARY_S, DOUBTS, Line
from domain.messages import Channel, MessageStage, MessageState, Refusal
from domain.outbox import Content, Receipt
from store import lines
from store.outbox import SqlOutbox
from store.tables import Customer, Event, Message, Ticket
from tests.fakes.outbox_rows import DISPATCHER, START, House

LINE = Line("twilio", "+15550001111", "FR")
FIRST = 100
"""Id of the first message of `people`; `plan` goes on from the last."""


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path)
    yield built
    built.database.close()


def people(house, count, *, stage=MessageStage.RELAPSED):
    """A message each to so many people."""
    ids = range(FIRST, FIRST + count)
    house.add(*(Customer(id=f"c-{n}", name=f"P {n}", phone=f"+336000000{n:03d}") for n in ids))
    common = {"state": "ready", "recipient_kind": "customer", "not_before": START, "created_at": START}
    house.add(*(Message(id=n, ticket_id=1, stage=stage, recipient_id=f"c-{n}", **common) for n in ids))


def submit(box, messages, *, line=LINE, segments=1):
    step = Submitting(Channel.SMS, "+33612345678", Content("hello"), line, patience_s=10, segments=segments)
    return {one.id for one, _ in box.write([(one, step) for one in messages])}


def kinds(house):
    with house.database.read() as session:
        return [event.kind for event in session.query(Event) if event.kind.startswith("circuit")]


def broken_line(house, box):
    people(house, DOUBTS)
    messages = box.take(DOUBTS)
    submit(box, messages, line=Line("twilio", "", "FR"))
    box.write([(one, Unknown(5.0, "no answer")) for one in messages])
    return Line("twilio", "", "FR")


def test_a_line_that_answers_no_more_is_left_alone_by_every_process(house):
    box, other = house.outbox(), house.outbox("other")
    line = broken_line(house, box)
    assert other.broken() == {line}
    assert kinds(house) == ["circuit.opened"]
    (mine,) = house.plan()
    assert not submit(other, other.take(9), line=line)
    assert house.message(mine).state == MessageState.READY
    assert house.message(mine).reason == "the way there is out of order just now"
    assert house.message(mine).attempts == 0


def test_another_country_or_sender_is_another_line(house):
    box = house.outbox()
    broken_line(house, box)
    assert submit(box, box.take(9), line=Line("twilio", "", "DE")) == set()
    (mine,) = house.plan()
    assert submit(box, box.take(9), line=Line("twilio", "", "DE")) == {mine}


def test_one_message_tries_and_its_answer_opens_the_way_for_all(house):
    box, other = house.outbox(), house.outbox("other")
    line = broken_line(house, box)
    planned = house.plan() + house.plan(MessageStage.NO_TECHNICIAN)
    house.wall.advance(30)
    first, second = (one for one in box.take(9) if one.id in planned)
    assert submit(box, [first, second], line=line) == {first.id}
    assert other.broken() == {line}
    box.write([(first, Accepted(Receipt("SM1", MessageState.ACCEPTED), attempt=1))])
    assert other.broken() == frozenset()
    assert kinds(house) == ["circuit.opened", "circuit.closed"]


def test_a_try_that_nobody_heard_of_again_is_followed_by_another(house):
    box = house.outbox()
    line = broken_line(house, box)
    for passes in (30, CANARY_S):
        house.wall.advance(passes)
        (number,) = house.plan(MessageStage.RELAPSED, f"{passes}")
        house.change(Message, number, recipient_id=f"somebody-{passes}")
        (mine,) = (one for one in box.take(9) if one.id == number)
        assert submit(box, [mine], line=line) == {number}


@pytest.mark.parametrize(
    "step",
    [
        Postponed(300.0, "misconfigured: Authenticate", Refusal.MISCONFIGURED),
        Ended(MessageState.FAILED, Refusal.MISCONFIGURED, "misconfigured: sender"),
    ],
)
def test_what_is_wrong_with_our_account_is_seen_at_once(house, step):
    house.plan()
    box = house.outbox()
    (mine,) = box.take(1)
    submit(box, [mine])
    box.write([(mine, step)])
    with house.database.read() as session:
        (breaker,) = lines.breakers(session)
    assert (breaker.line, breaker.reason, breaker.opened_at) == (LINE, step.reason, START)


def test_two_processes_share_one_pace_and_leave_the_reserve_to_danger(house):
    people(house, 8)
    house.change(Message, 107, ticket_id=None)
    boxes = [
        SqlOutbox(
            house.database, house.clock, house.signer, DISPATCHER, name, wall=house.wall, rates={LINE.sender: 1.0}
        )
        for name in ("one", "two")
    ]
    sent = [submit(box, box.take(2)) for box in (*boxes, *boxes)]
    assert sum(map(len, sent)) == 4  # five in the bucket, and one of them for danger
    house.change(Ticket, 1, severity="safety")
    house.wall.advance(60)
    waiting = [one for one in boxes[0].take(9) if one.state is MessageState.READY]
    assert len(submit(boxes[0], waiting)) >= 3


def test_a_long_text_takes_as_many_tokens_as_it_has_segments(house):
    people(house, 3)
    box = SqlOutbox(
        house.database, house.clock, house.signer, DISPATCHER, "one", wall=house.wall, rates={LINE.sender: 1.0}
    )
    assert len(submit(box, box.take(3), segments=2)) == 2
    house.wall.advance(2.5)
    assert len(submit(box, box.take(3), segments=2)) == 0
    house.wall.advance(60)
    assert len(submit(box, [one for one in box.take(3) if one.state is MessageState.READY], segments=2)) == 1


def test_a_provider_that_asks_for_less_is_given_time_by_all(house):
    people(house, 2)
    box, line = house.outbox(), Line("twilio", "+33700000000", "FR")
    first, second = box.take(2)
    submit(box, [first], line=line)
    box.write([(first, Postponed(5.0, "busy", Refusal.RATE_LIMITED, slow_s=20.0))])
    assert not submit(box, [second], line=line)
    house.wall.advance(21)
    assert len(submit(box, [one for one in box.take(2) if one.id == second.id], line=line)) == 1


def test_summaries_wait_until_everything_else_is_gone(house):
    people(house, 1, stage=MessageStage.DIGEST)
    house.change(Message, 100, not_before=START - timedelta(hours=1))
    house.plan(MessageStage.NO_TECHNICIAN)
    house.plan(MessageStage.OPENING)
    assert [one.id for one in house.outbox().take(9)] == [101, 102, 100]


def test_only_what_has_to_do_with_danger_is_taken_where_that_is_asked(house):
    house.plan()
    assert house.outbox().take(9, urgent=True) == []
    house.change(Ticket, 1, severity="safety")
    assert [one.id for one in house.outbox().take(9, urgent=True)] == [1]
