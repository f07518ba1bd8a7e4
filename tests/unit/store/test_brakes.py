"""Brakes told as stories: many people of one cause wait for a person's word, and a day's money has an end."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from app import pipeline
from domain.brakes import CauseState, Limits
from domain.delivery import Submitting
from domain.errors import Conflict, NotFound
from domain.lines import Line
from domain.messages import Channel, MessageStage, MessageState
from domain.outbox import Content
from domain.prices import Prices, SmsPrices
from domain.tickets import Announce
from store import approvals, lines, outbox
from store.tables import CauseRow, CircuitRow, Customer, Device, Due, Fault, Message, RuleVersion, SpendingRow, Ticket
from tests.fakes.outbox_rows import DISPATCHER, START
from tests.fakes.stairs import Stairs

SMS = Channel.SMS


class Street(Stairs):
    """Many homes with one fault: `limit` of them may hear of it."""

    limits = Limits(recipients=3)
    hold_s = 60.0
    """It has run out: each ticket says until when it was held."""

    def outbox(self, owner="notify-1"):
        return outbox.SqlOutbox(
            self.database, self.clock, self.signer, DISPATCHER, owner, wall=self.wall, limits=self.limits
        )

    def homes(self, count, *, severity="minor", firmware=None, rule="overheat"):
        """So many more homes whose trouble is announced."""
        with self.database.write() as session:
            session.query(RuleVersion).update({"hold_s": self.hold_s})
            known = session.query(Ticket).count()
            for number in range(known + 1, known + 1 + count):
                self._home(session, number, severity=severity, firmware=firmware, rule=rule)
            session.flush()
            told = [Announce(number, MessageStage.OPENING) for number in range(known + 1, known + 1 + count)]
            pipeline.hand_on(session, told, now=self.clock.now())

    def _home(self, session, number, *, severity, firmware, rule):
        now, name = self.clock.now(), f"x-{number}"
        session.add(Customer(id=name, name="X", phone=f"+336000000{number:02}", timezone="UTC", channels=["sms"]))
        session.flush()
        reported = {"firmware": firmware} if firmware else {}
        session.add(Device(id=name, product="heatpump-x", customer_id=name, registered_at=now, reported=reported))
        facts = {"rule": rule, "rule_version": 1, "severity": severity, "onset": now, "device_id": name}
        session.add(
            Ticket(
                id=number,
                family="cooling",
                title={"en": "Compressor too hot"},
                customer_id=name,
                state="open",
                cause="fault",
                opened_at=now,
                updated_at=now,
                held_until=now,
                **facts,
            )
        )
        session.flush()
        more = {"stage": "live", "episode": 1, "state": "firing", "fired_at": now}
        session.add(Fault(ticket_id=number, received_at=now, detected_at=now, **more, **facts))

    def told(self):
        return len([one for one in self.taken if one[1] is SMS and one[0] != DISPATCHER.phone])

    def desk(self):
        return [one.stage for one in self.messages() if one.recipient_kind == "dispatcher"]

    def questions(self):
        with self.database.read() as session:
            return approvals.approvals(session)

    def decide(self, *, yes, note="", per_minute=60):
        with self.database.write() as session:
            return approvals.decide(
                session, 1, yes=yes, by="agent", note=note, per_minute=per_minute, now=self.clock.now()
            )


@pytest.fixture
def street(tmp_path):
    built = Street(tmp_path, severity="minor")
    yield built
    built.database.close()


def test_more_people_than_the_limit_hear_of_one_cause_only_if_a_person_agrees(street):
    street.homes(8)
    street.send()
    assert street.told() == 3
    (question,) = street.questions()
    assert (question.state, question.told, question.waiting) == (CauseState.WAITING, 3, 5)
    assert question.name == "rule overheat, version 1"
    held = [one for one in street.messages() if one.state == MessageState.HELD]
    assert {one.reason for one in held} == {
        "more than 3 people would hear of one cause, rule overheat, version 1: a person has to agree"
    }
    assert street.desk() == [MessageStage.APPROVAL_WANTED]


def test_what_is_approved_goes_out_by_and_by(street):
    street.homes(8)
    street.send()
    assert street.decide(yes=True, per_minute=2).state is CauseState.APPROVED
    for told in (4, 5, 6, 7, 8):
        street.send()
        assert street.told() == told
        street.clock.advance(seconds=30)
    street.homes(2)
    street.send()
    assert street.told() == 10
    assert len(street.questions()) == 1


def test_what_is_declined_says_so_and_so_does_what_comes_later(street):
    street.homes(5)
    street.send()
    street.decide(yes=False, note="the rule is wrong")
    street.homes(1)
    street.send()
    assert street.told() == 3
    dropped = [one for one in street.messages() if one.state == MessageState.SUPPRESSED]
    assert [one.reason for one in dropped] == [
        "declined by agent: the rule is wrong",
        "declined by agent: the rule is wrong",
        "declined: agent (the rule is wrong)",
    ]


def test_a_question_is_answered_once(street):
    with pytest.raises(NotFound):
        street.decide(yes=True)
    street.homes(5)
    street.send()
    street.decide(yes=True)
    street.decide(yes=True)
    with pytest.raises(Conflict):
        street.decide(yes=False)


def test_danger_waits_for_nobody(street):
    street.homes(6, severity="safety")
    street.send()
    assert street.told() == 6
    assert street.questions() == []


def test_a_firmware_is_one_cause_whatever_rules_find_it(street):
    with street.database.write() as session:
        version = session.get_one(RuleVersion, ("overheat", 1))
        session.add(RuleVersion(**{**_columns(version), "name": "noise"}))
    street.homes(2, firmware="2.1")
    street.homes(2, firmware="2.1", rule="noise")
    street.homes(2)
    street.send()
    assert street.told() == 4
    assert street.questions()[0].name in {"firmware 2.1 of heatpump-x", "rule overheat, version 1"}


def test_people_told_long_ago_do_not_count(street):
    street.homes(3)
    street.send()
    street.clock.advance(minutes=61)
    street.homes(3)
    street.send()
    assert street.told() == 6


def test_another_rung_or_another_try_is_no_other_person(street):
    street.homes(3)
    street.send()
    street.change(Customer, "x-2", channels=["sms", "email"], email="x@example.net")
    street.receipt(MessageState.UNDELIVERED, nth=0)
    street.after(minutes=1)
    assert ("x@example.net", Channel.EMAIL) in street.taken
    with street.database.read() as session:
        assert session.query(CauseRow).one().told == 3


def test_two_senders_at_once_do_not_pass_the_limit(street):
    street.homes(8)
    other = street.outbox("notify-2")
    early = other.take(4)
    street.send()
    assert street.told() == 3
    go = [(one, _submitting(one)) for one in early]
    assert not other.write(go)


def test_nobody_answers_and_the_desk_is_asked_again_until_the_answer_is_no(street):
    street.homes(5)
    street.send()
    street.after(hours=3)
    assert street.desk().count(MessageStage.APPROVAL_WANTED) == 3
    street.after(hours=22)
    (question,) = street.questions()
    assert (question.state, question.decided_by) == (CauseState.DECLINED, "clock")
    states = [one for one in street.messages() if one.stage == "opening" and one.state == MessageState.SUPPRESSED]
    assert {one.reason for one in states} == {"declined by clock: nobody decided within a day"}
    with street.database.read() as session:
        assert session.query(Due).filter_by(kind="approval").count() == 0


def test_a_decision_is_forgotten_a_day_after_the_last_word_of_its_cause(street):
    street.homes(5)
    street.send()
    street.decide(yes=False)
    street.clock.advance(hours=25)
    street.homes(1)
    street.send()
    assert street.told() == 4


PRICES = Prices(SmsPrices(0.1, "EUR"), voice=0.5)


@pytest.fixture
def thrifty(tmp_path):
    built = Street(tmp_path, severity="minor")
    built.limits = replace(Limits(), prices=PRICES, day=0.5)
    built.restart()
    yield built
    built.database.close()


def test_above_the_ceiling_of_a_day_what_costs_something_waits_for_the_next(thrifty):
    thrifty.homes(8)
    thrifty.send()
    assert thrifty.told() == 5
    held = [one for one in thrifty.messages() if one.state == MessageState.HELD]
    assert {(one.reason, one.not_before) for one in held} == {
        ("today's ceiling of 0.5 for maker:thermia is reached", START.replace(hour=0) + timedelta(days=1))
    }
    assert thrifty.desk().count(MessageStage.COST_CEILING) == 2
    with thrifty.database.read() as session:
        assert session.query(SpendingRow).one().amount == pytest.approx(0.5)
    assert sum(one.cost or 0 for one in thrifty.messages() if one.recipient_kind == "customer") == pytest.approx(0.5)
    thrifty.clock.advance(hours=15)
    thrifty.clock.advance(hours=8)
    thrifty.send()
    assert thrifty.told() == 8


def test_what_costs_nothing_and_danger_go_on(thrifty):
    thrifty.homes(6)
    thrifty.send()
    thrifty.homes(1, severity="safety")
    thrifty.homes(1)
    thrifty.change(Customer, "x-9", channels=["email"], email="x@example.net")
    thrifty.send()
    assert thrifty.told() == 6
    assert ("x@example.net", Channel.EMAIL) in thrifty.taken


def test_a_customer_has_a_ceiling_of_their_own(tmp_path):
    street = Street(tmp_path, severity="minor")
    street.limits = replace(Limits(), prices=PRICES, customer_day=0.1)
    street.restart()
    street.homes(2)
    street.send()
    assert street.told() == 2
    with street.database.write() as session:
        pipeline.hand_on(session, [Announce(2, MessageStage.UNSTABLE)], now=street.clock.now())
    street.send()
    last = [one for one in street.messages() if one.stage == "unstable"]
    assert [(one.state, one.reason) for one in last] == [
        (MessageState.HELD, "today's ceiling of 0.1 for customer:x-2 is reached")
    ]
    street.database.close()


def test_a_summary_that_uses_up_the_money_goes_out_and_the_desk_is_told(tmp_path):
    street = Street(tmp_path, severity="minor")
    street.limits = replace(Limits(), prices=PRICES, customer_day=0.1)
    street.restart()
    street.homes(1)
    street.change(Customer, "x-2", digest="daily")
    street.send()
    assert street.told() == 0
    street.clock.advance(hours=9)
    street.send()
    assert street.told() == 1
    (warning,) = [one for one in street.messages() if one.stage == MessageStage.COST_CEILING]
    assert warning.ticket_id == 2
    street.database.close()


def test_who_writes_to_us_is_answered_and_danger_is_over_whatever_it_costs(thrifty):
    thrifty.homes(6)
    thrifty.send()
    assert thrifty.told() == 5
    thrifty.homes(1, severity="safety")
    thrifty.send()
    assert thrifty.told() == 6
    thrifty.change(Ticket, 8, state="resolved")
    stages = {2: MessageStage.CALL_PROMISED, 3: MessageStage.OPTED_OUT, 8: MessageStage.RESOLVED}
    with thrifty.database.write() as session:
        pipeline.hand_on(session, [Announce(*one) for one in stages.items()], now=thrifty.clock.now())
    thrifty.send()
    gone = {one.stage for one in thrifty.messages() if one.state == MessageState.ACCEPTED}
    assert gone >= set(stages.values())


def test_a_message_that_a_brake_keeps_back_does_not_try_a_line_that_is_out_of_order(street):
    """It would stand as the one that tries, and nobody would hear the answer."""
    street.homes(8)
    other = street.outbox("notify-2")
    early = other.take(4)
    street.send()
    assert street.told() == 3
    line = _submitting(early[0]).line
    with street.database.write() as session:
        lines.trip(session, line, "barred", now=street.clock.now(), wall_s=street.wall())
    street.wall.advance(1000)
    with street.database.write() as session:
        session.execute(update(Message).values(lease_until=None))
    assert list(other.write([(one, _submitting(one)) for one in early])) == []
    with street.database.read() as session:
        assert session.query(CircuitRow).filter_by(provider="fake-sms", country="FR").one().canary is None


def _columns(row):
    return {column.key: getattr(row, column.key) for column in row.__mapper__.columns}


def _submitting(pending):
    return Submitting(SMS, "+33600000000", Content("x"), Line("fake-sms", "+33700000000", "FR"), 5.0, cost=0.1)


def test_a_rule_without_hold_asks_nobody(street):
    street.hold_s = 0.0
    street.homes(8)
    street.send()
    assert street.told() == 8
    assert street.desk() == []
