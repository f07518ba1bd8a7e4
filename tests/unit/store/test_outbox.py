"""The outbox at rest: planning, leases, and the echo of each step in timeline and feed."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from domain.delivery import Accepted, ChannelRefused, InDoubt, Submitting
from domain.lines import Line
from domain.messages import Channel, MessageStage, MessageState, Purpose, Refusal
from domain.outbox import Content, Receipt
from domain.tickets import Announce
from store import consent, outbox, planning, receipts
from store.tables import Customer, Device, Event, Fault, Message, Meta, RuleVersion, Ticket, TimelineEntry
from tests.fakes.outbox_rows import START, House


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path)
    yield built
    built.database.close()


LINE = Line("twilio", "+33700000000", "FR")


def take(box):
    """The most urgent one, or None."""
    return next(iter(box.take(1)), None)


def submit(box, pending, *, channel=Channel.SMS):
    step = Submitting(channel, "+33612345678", Content("hello"), LINE, patience_s=10)
    return {one.id for one, _ in box.write([(pending, step)])}


def accept(box, pending, provider_id, *, attempt):
    return box.write([(pending, Accepted(Receipt(provider_id, MessageState.ACCEPTED), attempt))])


def test_the_same_announcement_twice_makes_one_message(house):
    assert house.plan() == [1]
    assert house.plan() == []
    assert house.plan(MessageStage.RELAPSED, "1") == [2]
    assert house.plan(MessageStage.RELAPSED, "2") == [3]


def test_an_opening_waits_for_the_hold_of_its_rule(house):
    house.change(RuleVersion, ("overheat", 1), hold_s=60.0)
    house.plan()
    assert house.message().state == MessageState.HELD
    assert house.message().not_before == START + timedelta(seconds=60)
    assert take(house.outbox()) is None
    house.clock.advance(seconds=60)
    assert take(house.outbox()).id == 1


def test_a_remote_try_has_used_up_the_hold(house):
    house.change(RuleVersion, ("overheat", 1), hold_s=60.0)
    house.clock.advance(minutes=5)
    house.plan(MessageStage.OPENING_AFTER_REMOTE_TRY)
    assert house.message().not_before == house.clock.now()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"agents_only": True}, "this ticket is for agents only"),
        ({"customer_id": None}, "there is no customer to tell"),
    ],
)
def test_nobody_to_tell_is_noted_once(house, change, why):
    house.change(Ticket, 1, **change)
    assert house.plan() == []
    assert house.plan() == []
    with house.database.read() as session:
        notes = session.query(TimelineEntry).filter_by(kind="nobody_told").all()
    assert [note.detail["reason"] for note in notes] == [why]


def test_each_stage_goes_to_its_audience(house):
    house.plan(MessageStage.VISIT_OFFER, technician_id="t-1", visit_id=7)
    house.plan(MessageStage.NO_TECHNICIAN)
    house.plan(MessageStage.OPENING)
    with house.database.read() as session:
        who = [(one.recipient_kind, one.recipient_id, one.visit_id) for one in session.query(Message)]
    assert who == [("technician", "t-1", 7), ("dispatcher", "dispatcher", None), ("customer", "c-1", None)]


def test_a_brief_holds_the_facts_as_they_are_now(house):
    house.plan()
    house.change(Fault, 1, state="resolved")
    house.change(Device, "hp-1", muted_until=START + timedelta(hours=1))
    brief = take(house.outbox()).brief
    assert (brief.still_firing, brief.muted, brief.ticket_open) == (False, True, True)
    assert (brief.sender, brief.noun["fr"], brief.says["en"]) == ("Thermia", "pompe", "stops too often")
    assert brief.recipient.timezone == "Europe/Paris"
    assert brief.link.startswith("https://prv.nt/c/1.")
    assert brief.evidence_age_s == 1.0
    assert brief.first_contact


def test_a_ticket_without_a_fault_is_always_true(house):
    house.plan()
    house.change(Fault, 1, ticket_id=None)
    assert take(house.outbox()).brief.still_firing


def test_a_leased_message_is_nobody_elses_until_the_lease_runs_out(house):
    house.plan()
    first, second = house.outbox("one"), house.outbox("two")
    mine = take(first)
    assert take(second) is None
    house.wall.advance(outbox.TAKE_LEASE_S)
    theirs = take(second)
    assert theirs.lease > mine.lease
    assert not submit(first, mine)
    assert submit(second, theirs) == {1}
    assert house.message().attempts == 1


def test_danger_goes_first(house):
    house.plan(MessageStage.NO_TECHNICIAN)
    with house.database.write() as session:
        columns = {c.name: getattr(session.get_one(Ticket, 1), c.name) for c in Ticket.__table__.columns}
        session.add(Ticket(**{**columns, "id": 2, "family": "gas", "severity": "safety"}))
        session.flush()
        planning.plan(session, Announce(2, MessageStage.CALL_WANTED), now=house.clock.now())
    assert take(house.outbox()).brief.ticket_id == 2


def test_acceptance_is_told_to_timeline_and_feed_without_texts_in_the_feed(house):
    house.plan()
    box = house.outbox()
    pending = take(box)
    submit(box, pending)
    accept(box, pending, "SM1", attempt=1)
    assert house.message().state == MessageState.ACCEPTED
    with house.database.read() as session:
        entry = session.query(TimelineEntry).filter_by(kind="message_accepted").one()
        feed = session.query(Event).filter_by(kind="message.accepted").one()
    assert (entry.detail["body"], entry.detail["channel"], entry.detail["stage"]) == ("hello", "sms", "opening")
    assert "hello" not in str(feed.body)
    assert "+33" not in str(feed.body)


def test_a_sender_that_lost_its_lease_still_brings_home_the_proof(house):
    house.plan()
    slow, other = house.outbox("slow"), house.outbox("other")
    pending = take(slow)
    submit(slow, pending)
    house.wall.advance(11)
    doubt = take(other)
    other.write([(doubt, InDoubt("nobody knows"))])
    accept(slow, pending, "SM1", attempt=1)
    assert house.message().state == MessageState.ACCEPTED
    assert house.message().provider_id == "SM1"


def test_receipts_out_of_order_move_only_forwards(house):
    house.plan()
    box = house.outbox()
    pending = take(box)
    submit(box, pending)
    accept(box, pending, "SM1", attempt=1)
    for state in (MessageState.DELIVERED, MessageState.SENT, MessageState.DELIVERED):
        with house.database.write() as session:
            assert receipts.receipt(session, Receipt("SM1", state), now=house.clock.now())
    assert house.message().state == MessageState.DELIVERED
    assert house.timeline().count("message_delivered") == 1
    assert "message_sent" not in house.timeline()


def test_a_receipt_ends_a_doubt_by_the_message_it_names(house):
    house.plan()
    box = house.outbox()
    pending = take(box)
    submit(box, pending)
    with house.database.write() as session:
        assert receipts.receipt(session, Receipt("SM9", MessageState.SENT), now=house.clock.now(), message_id=1)
    assert (house.message().state, house.message().provider_id) == (MessageState.SENT, "SM9")
    assert "message_accepted" in house.timeline()
    accept(box, pending, "SM9", attempt=1)
    assert house.message().state == MessageState.SENT
    house.wall.advance(100)
    assert take(box) is None


def test_a_receipt_for_nobody_is_not_ours(house):
    with house.database.write() as session:
        assert not receipts.receipt(session, Receipt("SM0", MessageState.SENT), now=house.clock.now())


def test_a_stop_that_only_the_carrier_knew_becomes_the_customers_wish(house):
    house.plan()
    box = house.outbox()
    pending = take(box)
    submit(box, pending)
    box.write([(pending, ChannelRefused(Refusal.OPTED_OUT, "21610"))])
    again = take(box)
    assert again.refused == {Channel.SMS}
    assert set(consent.channels_refused(again.brief.recipient.refused)) == {Channel.SMS}
    assert again.brief.recipient.refused[Channel.SMS, Purpose.SAFETY] == "carrier"


@pytest.mark.parametrize(
    ("refusal", "sources"), [(Refusal.BAD_ADDRESS, {"dead_number"}), (Refusal.OPTED_OUT, {"carrier"})]
)
def test_a_receipt_that_the_number_will_never_do_sends_it_on(house, refusal, sources):
    house.plan()
    box = house.outbox()
    pending = take(box)
    submit(box, pending)
    accept(box, pending, "SM1", attempt=1)
    told = Receipt("SM1", MessageState.UNDELIVERED, code="30006", refusal=refusal)
    late = Receipt("SM1", MessageState.SENT)
    for one in (told, told, late):
        with house.database.write() as session:
            assert receipts.receipt(session, one, now=house.clock.now(), message_id=1)
    again = take(box)
    assert (again.refused, again.attempt) == ({Channel.SMS}, 1)
    assert set(again.brief.recipient.refused.values()) == sources
    assert house.timeline() == ["message_accepted", "message_undelivered"]
    submit(box, again, channel=Channel.EMAIL)
    accept(box, again, "<2@mail>", attempt=2)
    assert (house.message().channel, house.message().state) == ("email", MessageState.ACCEPTED)


def test_a_pause_is_known(house):
    assert not house.outbox().paused()
    house.add(Meta(key=outbox.SENDING_PAUSED, value="1"))
    assert house.outbox().paused()
    house.change(Meta, outbox.SENDING_PAUSED, value="0")
    assert not house.outbox().paused()


def test_facts_that_cannot_be_read_do_not_block_the_queue(house):
    house.plan(MessageStage.OPENING)
    house.plan(MessageStage.VISIT_OFFER, technician_id="t-1")
    with house.database.write() as session:
        session.execute(text("UPDATE technicians SET timezone = 7, skills = 'rubbish'"))
    box = house.outbox()
    assert [one.id for one in box.take(9)] == [1]
    assert box.take(9) == []
    with house.database.write() as session:
        session.execute(text("UPDATE technicians SET timezone = 'UTC', skills = '[]'"))
    assert take(box) is None
    house.wall.advance(outbox.TAKE_LEASE_S)
    assert {one.id for one in box.take(9)} == {1, 2}


def test_one_lost_lease_does_not_spoil_the_batch(house):
    house.plan()
    house.plan(MessageStage.NO_TECHNICIAN)
    box, other = house.outbox(), house.outbox("other")
    mine = {one.id: one for one in box.take(9)}
    house.wall.advance(outbox.TAKE_LEASE_S)
    assert take(other).id == 1
    step = Submitting(Channel.SMS, "+33612345678", Content("hello"), LINE, patience_s=10)
    assert {one.id for one, _ in box.write([(one, step) for one in mine.values()])} == {2}
    assert [house.message(n).state for n in (1, 2)] == [MessageState.READY, MessageState.SUBMITTING]


def test_of_two_decisions_on_one_message_only_the_one_with_the_newer_lease_counts(house):
    house.plan()
    box = house.outbox()
    (first,) = box.take(9)
    house.wall.advance(outbox.TAKE_LEASE_S)
    (second,) = box.take(9)
    step = Submitting(Channel.SMS, "+33612345678", Content("hello"), LINE, patience_s=10)
    assert box.write([(first, step), (second, step)]) == [(second, step)]
    assert house.message().attempts == 1


def test_a_person_has_one_message_in_a_batch(house):
    for occurrence in ("1", "2"):
        house.plan(MessageStage.RELAPSED, occurrence)
    house.plan(MessageStage.NO_TECHNICIAN)
    assert [one.id for one in house.outbox().take(9)] == [1, 3]


def test_the_house_works_without_a_time_zone_that_exists(house):
    house.plan()
    house.change(Customer, "c-1", timezone="Europe/Atlantis")
    house.change(Device, "hp-1", timezone="Europe/Brussels")
    assert take(house.outbox()).brief.recipient.timezone == "Europe/Brussels"
