"""Respect at rest: caps, summaries, absence, contacts and words of refusal, from rows to what is sent."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from domain.delivery import Submitting
from domain.lines import Line
from domain.messages import Channel, MessageStage, MessageState, RecipientKind, Refusal
from domain.outbox import Content, Receipt
from domain.tickets import Announce
from notify.sender import Sender
from store import absence, consent, contacts, ownership, planning
from store.tables import Customer, Device, Due, Fault, Maker, Message, Rule, Ticket, TimelineEntry
from tests.fakes.outbox_rows import START, House

OPENED = {"rule": "overheat", "rule_version": 1, "severity": "major", "cause": "fault", "state": "open"}


class Phone:
    """Takes everything."""

    provider, sender, patience_s, look_up_after_s = "fake", "", 10.0, ()
    authoritative, repeatable = True, False

    def __init__(self, channel):
        self.channel, self.taken, self.origins = channel, [], []

    def send(self, address, content, *, reference):
        self.origins.append(content.origin)
        self.taken.append((address, content.text))
        return Receipt(f"{self.channel}-{len(self.taken)}", MessageState.ACCEPTED)

    def look_up(self, pending):
        return None


class Street(House):
    """The house, with more troubles and more people."""

    def __init__(self, folder, *, url=""):
        super().__init__(folder, url=url)
        self.sms, self.email = Phone(Channel.SMS), Phone(Channel.EMAIL)

    def trouble(self, number, *, family="", **columns):
        """One more ticket with a firing fault."""
        at = self.clock.now()
        facts = {**OPENED, "opened_at": at, "onset": at, "updated_at": at, "title": {"en": "Too hot"}, **columns}
        self.add(Ticket(id=number, device_id="hp-1", family=family or f"f{number}", customer_id="c-1", **facts))
        spell = {"onset": at, "fired_at": at, "received_at": at, "detected_at": at, "ticket_id": number}
        self.add(
            Fault(
                id=number,
                rule="overheat",
                rule_version=1,
                stage="live",
                device_id="hp-1",
                episode=number,
                state="firing",
                severity="major",
                **spell,
            )
        )

    def tell(self, ticket_id, stage=MessageStage.OPENING, **details):
        with self.database.write() as session:
            return planning.plan(session, Announce(ticket_id, stage, "", details), now=self.clock.now())

    def over(self, ticket_id):
        """The fault is gone and the ticket resolved."""
        self.change(Fault, ticket_id, state="resolved")
        self.change(Ticket, ticket_id, state="resolved", healthy_since=self.clock.now())

    def send(self, **settings):
        sender = Sender(self.outbox(**settings), {Channel.SMS: self.sms, Channel.EMAIL: self.email}, self.clock)
        while sender.step():
            pass

    def later(self, **delta):
        self.clock.advance(**delta)
        self.wall.advance(timedelta(**delta).total_seconds())
        self.send()

    def messages(self, **columns):
        with self.database.read() as session:
            return session.scalars(select(Message).filter_by(**columns).order_by(Message.id)).all()

    def states(self):
        return [(one.stage, one.state) for one in self.messages()]


@pytest.fixture
def street(tmp_path):
    built = Street(tmp_path)
    yield built
    built.database.close()


def a_bad_day(street, troubles=6):
    for number in range(1, troubles + 1):
        if number > 1:
            street.trouble(number)
        street.tell(number)
    street.send()


def test_the_fourth_message_of_a_day_and_those_after_it_become_one(street):
    a_bad_day(street)
    assert len(street.sms.taken) == 3
    folded, (summary,) = street.messages(state=MessageState.SUPPRESSED), street.messages(stage=MessageStage.DIGEST)
    assert [one.folded_into for one in folded] == [summary.id] * 3
    assert {one.reason for one in folded} == {"3 by sms today is enough; it stands in the summary of 3 March"}
    assert (summary.ticket_id, summary.occurrence, summary.state) == (None, "2026-03-03", MessageState.HELD)
    assert summary.not_before == datetime(2026, 3, 3, 17, tzinfo=UTC)  # 18:00 in Paris
    street.later(hours=9)
    assert (len(street.sms.taken), len(street.email.taken)) == (3, 1)
    assert street.messages(stage=MessageStage.DIGEST)[0].state == MessageState.ACCEPTED
    assert "/p/c-1." in street.email.taken[0][1]
    street.later(hours=9)
    assert (len(street.sms.taken), len(street.email.taken)) == (3, 1)


def test_a_summary_leaves_out_what_is_over_by_then_and_is_not_sent_if_nothing_is_left(street):
    a_bad_day(street)
    street.over(4)
    street.later(hours=9)
    (told,) = street.email.taken
    four, five, six = (street.messages(ticket_id=number)[0] for number in (4, 5, 6))
    assert (four.folded_into, five.folded_into, six.folded_into) == (None, 7, 7)
    assert "2" in told[1]
    street.later(days=1)
    for number in (7, 8, 9, 10):
        street.trouble(number)
        street.tell(number)
    street.send()
    street.over(10)
    street.later(hours=14)  # it was evening already: nine in the morning
    last = street.messages(stage=MessageStage.DIGEST)[-1]
    assert (last.state, last.reason) == (MessageState.SUPPRESSED, "nothing that would have stood in it is still so")
    assert len(street.email.taken) == 1


def test_who_was_told_in_a_summary_hears_that_it_is_over_there_and_who_was_not_does_not(street):
    a_bad_day(street, troubles=5)
    street.over(5)
    street.later(hours=9)
    street.over(4)
    street.later(hours=20)  # another day, the caps are fresh
    for number in (4, 5):
        street.tell(number, MessageStage.RESOLVED)
    street.send()
    (four,), (five,) = (street.messages(ticket_id=number, stage=MessageStage.RESOLVED) for number in (4, 5))
    assert (four.state, four.channel) == (MessageState.ACCEPTED, "email")
    assert (five.state, five.reason) == (MessageState.SUPPRESSED, "this person was never told of the trouble")


def test_answers_visits_and_danger_do_not_count_and_are_not_kept_back(street):
    a_bad_day(street, troubles=4)
    street.tell(1, MessageStage.CALL_PROMISED, channel="sms")
    street.trouble(20, severity="safety")
    street.tell(20)
    street.send()
    assert len(street.sms.taken) == 5
    with street.database.read() as session:
        (note,) = session.scalars(select(TimelineEntry).where(TimelineEntry.kind == "safety_override"))
    assert (note.ticket_id, note.detail["rule"], note.detail["passed"]) == (20, "overheat", ["capped"])


def test_a_maker_or_the_settings_may_allow_less(street):
    street.trouble(2)
    street.tell(1)
    street.tell(2)
    street.change(Maker, "thermia", body={"daily_caps": {"sms": 1}})
    street.send()
    assert len(street.sms.taken) == 1
    street.trouble(3)
    street.tell(3)
    street.later(days=1)
    street.send(daily_caps={Channel.SMS: 0})
    assert street.messages(ticket_id=3)[0].state == MessageState.ACCEPTED  # the maker's word on its own products counts
    assert len(street.sms.taken) == 2


def test_a_maker_sends_under_a_name_that_people_know(street):
    street.change(Maker, "thermia", body={"sms_sender": "Thermia"})
    street.tell(1)
    street.send()
    assert (street.sms.origins, street.message().sender) == (["Thermia"], "Thermia")


def test_senders_beside_each_other_do_not_overshoot_the_cap(street):
    for number in range(1, 13):
        if number > 1:
            street.trouble(number)
        street.tell(number)
    channels = {Channel.SMS: street.sms, Channel.EMAIL: street.email}
    senders = [Sender(street.outbox(f"s{n}"), channels, street.clock) for n in range(3)]
    stop = threading.Event()
    threads = [threading.Thread(target=sender.run, args=(stop,)) for sender in senders]
    for thread in threads:
        thread.start()
    deadline = 300
    while deadline and any(one.state == MessageState.READY for one in street.messages()):
        stop.wait(0.05)
        street.wall.advance(1)
        deadline -= 1
    stop.set()
    for thread in threads:
        thread.join()
    assert len(street.sms.taken) == 3
    (summary,) = street.messages(stage=MessageStage.DIGEST)
    assert len(street.messages(folded_into=summary.id)) == 9


def test_two_decisions_on_the_same_facts_do_not_both_count(street):
    a_bad_day(street, troubles=2)
    for number in (3, 4):
        street.trouble(number)
        street.tell(number)
    first, second = street.outbox("one"), street.outbox("two")
    (one,), (two,) = first.take(8), second.take(8)
    assert one.brief.said_today == two.brief.said_today == {Channel.SMS: 2}
    step = Submitting(Channel.SMS, "+33612345678", Content("…"), Line("fake", "", "FR"), patience_s=60)
    assert [pending.id for pending, _ in first.write([(one, step)])] == [one.id]
    assert not second.write([(two, step)])
    (again,) = second.take(8)
    assert (again.id, again.brief.said_today) == (two.id, {Channel.SMS: 3})


def test_one_message_a_day_for_who_wants_it_so(street):
    street.change(Customer, "c-1", digest="daily")
    for number in (2, 3):
        street.trouble(number, severity="minor")
        street.tell(number)
    street.tell(1)
    street.send()
    assert len(street.sms.taken) == 1  # what is major does not wait
    assert street.messages(ticket_id=2)[0].reason == "this person wants one message a day; it stands in that of 3 March"
    street.later(hours=9)
    assert (len(street.sms.taken), len(street.email.taken)) == (2, 0)


def test_who_is_away_hears_of_it_when_back_and_of_a_visit_at_once(street):
    back = START + timedelta(days=3)
    street.change(Customer, "c-1", away_until=back)
    street.tell(1)
    street.send()
    (opening,) = street.messages(ticket_id=1)
    assert opening.reason == "this person is away until 6 March; it stands in the summary for then"
    street.later(days=2)
    assert street.sms.taken == []
    street.later(days=1, minutes=1)
    assert len(street.sms.taken) == 1


def test_who_comes_back_early_gets_the_summary_then(street):
    with street.database.write() as session:
        absence.set_away(session, "c-1", START + timedelta(days=30), START)
    street.tell(1)
    street.send()
    assert street.messages(stage=MessageStage.DIGEST)[0].not_before == START + timedelta(days=30)
    with street.database.write() as session:
        absence.set_away(session, "c-1", None, START)
        assert absence.away_until(session, "c-1", START) is None
    street.send()
    assert len(street.sms.taken) == 1


def due_kinds(street):
    with street.database.read() as session:
        return [(one.kind, one.ref) for one in session.scalars(select(Due))]


def test_a_warning_that_ends_unheard_has_somebody_look_at_it(street):
    street.change(Customer, "c-1", phone=None, email=None)
    street.tell(1, MessageStage.RESOLVED)
    street.send()
    assert due_kinds(street) == []
    street.tell(1)
    street.send()
    assert due_kinds(street) == [("unreached", "1")]


def test_a_warning_withheld_because_it_is_over_does_not(street):
    street.over(1)
    street.tell(1)
    street.send()
    assert due_kinds(street) == []


def _people(street, **device):
    street.add(Customer(id="c-2", name="Tom", phone="+33612345602", body={}))
    street.add(Customer(id="c-3", name="Nina", phone="+33612345603", body={}))
    street.change(Device, "hp-1", **device)


def test_a_tenant_is_told_like_the_owner_and_each_hears_that_it_is_over_if_they_heard_of_it(street):
    _people(street, contacts=[{"customer": "c-2", "role": "tenant"}, {"customer": "c-3", "role": "neighbour"}])
    with street.database.write() as session:
        consent.record(
            session,
            RecipientKind.CUSTOMER,
            "c-2",
            channels=Channel,
            granted=False,
            source=consent.Source.UNSUBSCRIBE,
            actor="c-2",
            now=START,
        )
    street.tell(1)
    street.send()
    assert [one.recipient_id for one in street.messages(ticket_id=1)] == ["c-1", "c-2"]
    assert street.messages(recipient_id="c-2")[0].reason == "this person unsubscribed"
    street.over(1)
    street.tell(1, MessageStage.RESOLVED)
    street.send()
    assert [to for to, _ in street.sms.taken] == ["+33612345678"] * 2


def test_a_neighbour_is_told_of_danger_alone_and_that_it_is_over(street):
    _people(street, contacts=[{"customer": "c-3", "role": "neighbour"}])
    street.change(Ticket, 1, severity="safety")
    street.tell(1)
    street.send()
    street.over(1)
    street.tell(1, MessageStage.RESOLVED)
    street.send()
    assert sorted(to for to, _ in street.sms.taken) == ["+33612345603"] * 2 + ["+33612345678"] * 2


def test_a_contact_may_have_their_own_list_and_stands_in_for_who_is_away(street):
    _people(street, contacts=[{"customer": "c-2", "role": "tenant", "tells": ["appointment"]}])
    street.tell(1)
    assert [one.recipient_id for one in street.messages(ticket_id=1)] == ["c-1"]
    street.change(Customer, "c-1", away_until=START + timedelta(days=3))
    street.trouble(2)
    street.tell(2)
    assert [one.recipient_id for one in street.messages(ticket_id=2)] == ["c-1", "c-2"]


def test_an_answer_goes_to_who_asked(street):
    _people(street, contacts=[{"customer": "c-2", "role": "tenant"}])
    street.tell(1, MessageStage.CALL_PROMISED, customer_id="c-2", channel="sms")
    street.send()
    assert [to for to, _ in street.sms.taken] == ["+33612345602"]


def test_a_device_that_is_not_theirs_is_told_of_no_more(street):
    with street.database.write() as session:
        for _ in range(2):
            ownership.disown(session, device_id="hp-1", customer_id="c-1", source="reply", now=START)
        assert contacts.devices_of(session, "c-1") == []
    street.tell(1)
    street.tell(1, MessageStage.WRONG_PERSON)
    street.send()
    opening, answer = street.messages(ticket_id=1)
    assert (opening.state, opening.reason) == (MessageState.SUPPRESSED, "this person said that it is not theirs")
    assert answer.state == MessageState.ACCEPTED
    with street.database.write() as session:
        ownership.own_again(session, device_id="hp-1", customer_id="c-1")
    street.trouble(2)
    street.tell(2)
    street.send()
    assert street.messages(ticket_id=2)[0].state == MessageState.ACCEPTED


@pytest.mark.parametrize(
    ("source", "refusal", "reason"),
    [
        ("stop", Refusal.OPTED_OUT, "this person asked not to be written to"),
        ("carrier", Refusal.OPTED_OUT, "the carrier says that this person sent STOP"),
        ("page", Refusal.OPTED_OUT, "this person switched it off on their page"),
        ("bounce", Refusal.NO_CHANNEL, "mail to this address bounced"),
        ("dead_number", Refusal.NO_CHANNEL, "this number cannot be reached"),
    ],
)
@pytest.mark.parametrize("severity", ["major", "safety"])
def test_a_refusal_holds_for_danger_too_and_names_its_source(street, source, refusal, reason, severity):
    street.change(Ticket, 1, severity=severity)
    street.tell(1)
    with street.database.write() as session:
        consent.record(
            session,
            RecipientKind.CUSTOMER,
            "c-1",
            channels=Channel,
            granted=False,
            source=consent.Source(source),
            actor="test",
            now=START,
        )
    street.send()
    assert street.message().reason == reason
    assert street.sms.taken == street.email.taken == []
    with street.database.read() as session:
        (note,) = session.scalars(select(TimelineEntry).where(TimelineEntry.kind == "message_suppressed"))
    assert note.detail["refusal"] == refusal


def test_an_opening_held_over_night_and_fixed_by_morning_is_told_to_nobody(street):
    street.change(Rule, "overheat", stage="live")
    street.clock.advance(hours=13)
    street.tell(1)
    street.send()
    assert street.message().state == MessageState.HELD
    street.over(1)
    street.tell(1, MessageStage.RESOLVED)
    street.later(hours=10)
    assert street.sms.taken == street.email.taken == []
    assert {one.state for one in street.messages()} == {MessageState.SUPPRESSED}


def test_without_a_zone_of_their_own_or_of_the_device_the_number_narrows(street):
    street.change(Customer, "c-1", timezone=None, phone="+61412345678")  # a mobile: all of Australia
    street.clock.advance(hours=14)  # 10 in Sydney, 7 in Perth
    street.tell(1)
    street.send()
    assert street.message().state == MessageState.HELD
    street.later(hours=3)  # 13 in Sydney, 10 in Perth, half past 8 on the Cocos Islands
    assert street.message().state == MessageState.ACCEPTED


def test_a_maker_may_keep_sundays_free_for_who_said_nothing(street):
    usual = {"from": "21:00", "to": "08:00", "sundays": True, "holidays": "FR"}
    street.change(Maker, "thermia", body={"quiet_hours": usual})
    street.clock.advance(days=5)
    street.tell(1)
    street.send()
    assert street.message().not_before == datetime(2026, 3, 9, 7, tzinfo=UTC)
    assert street.message().reason == "waits until 08:00 so as not to disturb at night"
    street.change(Customer, "c-1", body={"quiet_hours": {"from": "21:00", "to": "08:00"}})
    street.change(Message, 1, not_before=street.clock.now())
    street.send()
    assert street.message().state == MessageState.ACCEPTED
