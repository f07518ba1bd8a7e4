"""Ladders told as stories: who is told next, on what and when, and what ends it."""

from datetime import timedelta

import pytest

from domain.messages import Channel, MessageStage, MessageState, Purpose, RecipientKind, Refusal, ReplyIntent, Retry
from domain.tickets import TicketState
from store import consent
from store.tables import Customer, Device, Due, Fault, Message, Meta, Playbook, Ticket
from tests.fakes.stairs import Stairs
from tickets import lifecycle, recovery, service

SMS, VOICE, EMAIL = Channel.SMS, Channel.VOICE, Channel.EMAIL
ALICE_SMS, ALICE_CALL, BOB_SMS = ("c-1", SMS), ("c-1", VOICE), ("c-2", SMS)


@pytest.fixture
def stairs(tmp_path):
    built = Stairs(tmp_path)
    yield built
    built.database.close()


@pytest.fixture
def grave(tmp_path):
    """As grave as its name says."""
    houses = []

    def build(severity, **more):
        houses.append(Stairs(tmp_path, severity=severity, **more))
        return houses[-1]

    yield build
    for house in houses:
        house.database.close()


def test_nobody_answers_a_critical_fault_and_a_person_takes_over(stairs):
    stairs.tell()
    stairs.after(minutes=9)
    assert stairs.calls() == [ALICE_SMS]
    stairs.after(minutes=2)
    assert stairs.calls() == [ALICE_SMS, ALICE_CALL]
    stairs.after(minutes=15)
    assert stairs.calls() == [ALICE_SMS, ALICE_CALL, BOB_SMS]
    stairs.after(minutes=15)
    ticket, wanted = stairs.ticket(), stairs.messages()[-1]
    assert (ticket.state, wanted.stage) == (TicketState.PENDING_AGENT, MessageStage.CALL_WANTED)
    assert wanted.details["reason"] == ("nobody has answered: SMS accepted, call accepted, SMS to Bob Petit accepted")
    assert "nobody_answers" in stairs.timeline()
    stairs.after(days=1)
    assert len(stairs.calls()) == 3


def test_danger_is_told_and_called_at_once_by_night_too(grave):
    stairs = grave("safety")
    stairs.clock.advance(hours=14)
    stairs.tell()
    assert sorted(stairs.calls()) == sorted([ALICE_SMS, ALICE_CALL])
    stairs.after(minutes=5)
    assert sorted(stairs.calls()[2:]) == sorted([BOB_SMS, ("c-2", VOICE)])
    stairs.after(minutes=5)
    assert stairs.ticket().state == TicketState.PENDING_AGENT


def test_who_was_told_from_the_start_is_no_second_contact(grave):
    stairs = grave("safety")
    stairs.change(Device, "hp-1", contacts=[{"customer": "c-2", "role": "tenant"}])
    stairs.tell()
    everybody = sorted([ALICE_SMS, ALICE_CALL, BOB_SMS, ("c-2", VOICE)])
    assert sorted(stairs.calls()) == everybody
    stairs.after(minutes=5)
    assert sorted(stairs.calls()) == everybody
    assert stairs.ticket().state == TicketState.PENDING_AGENT
    assert [one.stage for one in stairs.messages()].count("call_wanted") == 1
    assert stairs.timeline().count("nobody_answers") == 1


def test_one_answer_is_enough_for_the_desk_but_the_others_are_still_told(grave):
    stairs = grave("safety")
    stairs.change(Device, "hp-1", contacts=[{"customer": "c-2", "role": "tenant"}])
    stairs.tell(send=False)
    stairs.reply()
    stairs.after(hours=1)
    assert sorted(stairs.calls()) == sorted([BOB_SMS, ("c-2", VOICE)])
    assert "nobody_answers" not in stairs.timeline()


def test_an_answer_ends_it_and_takes_back_what_waits(stairs):
    stairs.tell()
    stairs.after(minutes=11, send=False)
    assert [one.state for one in stairs.messages()] == [MessageState.ACCEPTED, MessageState.READY]
    stairs.reply()
    told, call = stairs.messages()
    assert (call.state, call.reason) == (MessageState.SUPERSEDED, "acknowledged by Alice at 10:11")
    assert told.state == MessageState.ACCEPTED
    stairs.after(days=1)
    assert stairs.calls() == [ALICE_SMS]
    assert stairs.ticket().acknowledged_by == "customer:c-1"


@pytest.mark.parametrize("intent", [ReplyIntent.CALL_ME, ReplyIntent.UNCLEAR, ReplyIntent.SEND_SOMEONE])
def test_any_answer_at_all_shows_that_somebody_has_seen_it(stairs, intent):
    stairs.tell()
    stairs.reply(intent, "well")
    stairs.after(days=1)
    assert stairs.calls()[0] == ALICE_SMS
    assert ALICE_CALL not in stairs.calls()


def test_who_takes_a_ticket_over_ends_its_ladder_but_the_first_word_still_goes_out(stairs):
    stairs.tell(send=False)
    stairs.do(service.assign, 1, "sam", actor="agent")
    stairs.after(hours=2)
    assert stairs.calls() == [ALICE_SMS]
    assert [one.ladder_over for one in stairs.messages()] == ["acknowledged by agent at 09:00"]


def test_what_a_sender_has_decided_on_is_taken_back_before_it_is_submitted(stairs):
    stairs.tell()
    stairs.after(minutes=11, send=False)
    render = stairs.sender._renderer.render

    def answered_meanwhile(*facts, **more):
        stairs.reply()
        return render(*facts, **more)

    stairs.sender._renderer.render = answered_meanwhile
    stairs.send()
    assert stairs.calls() == [ALICE_SMS]
    assert stairs.messages()[1].state == MessageState.SUPERSEDED


def test_what_was_turned_down_before_the_answer_is_not_tried_again_after_it(stairs):
    stairs.tell()
    stairs.lines[VOICE].refusals = [Retry.SAFE]
    stairs.after(minutes=10)
    assert stairs.messages()[1].state == MessageState.READY
    stairs.reply()
    stairs.after(hours=1)
    assert stairs.calls() == [ALICE_SMS]


def test_a_first_message_that_was_being_submitted_and_turned_down_is_not_repeated_to_who_has_answered(stairs):
    stairs.tell(send=False)
    stairs.change(Message, 1, state="submitting", lease_until=stairs.wall() - 1, attempts=1, channel="sms")
    stairs.change(Message, 1, provider="fake-sms", body="…", address="+33612345678")
    stairs.reply()
    assert stairs.messages()[0].state == MessageState.SUBMITTING
    stairs.after(minutes=1)
    stairs.after(minutes=1)
    assert stairs.calls() == []
    assert stairs.messages()[0].state == MessageState.SUPERSEDED


def test_recovery_takes_back_what_waits_and_a_fault_that_comes_back_goes_on(stairs):
    stairs.add(Playbook(name="patient", body={"name": "patient", "healthy_for": "2h"}))
    stairs.change(Ticket, 1, playbook="patient")
    stairs.tell()
    stairs.after(minutes=11, send=False)
    with stairs.database.write() as session:
        fault = session.get_one(Fault, 1)
        fault.state, fault.end_reason, fault.resolved_at = "resolved", "cleared", stairs.clock.now()
        recovery.on_fault_end(session, session.get_one(Ticket, 1), fault, now=stairs.clock.now())
    assert (stairs.messages()[1].state, stairs.messages()[1].reason) == (MessageState.SUPERSEDED, "it recovered")
    stairs.after(hours=1)
    assert stairs.calls() == [ALICE_SMS]
    stairs.change(Fault, 1, state="firing")
    stairs.change(Ticket, 1, healthy_since=None)
    stairs.after(hours=1)
    assert stairs.calls() == [ALICE_SMS, BOB_SMS]


def test_an_ended_ticket_has_no_ladder_left(stairs):
    stairs.tell()
    stairs.after(minutes=11, send=False)
    with stairs.database.write() as session:
        ticket = session.get_one(Ticket, 1)
        lifecycle.end(session, ticket, TicketState.CLOSED, by="agent", actor="agent", now=stairs.clock.now(), reason="")
    assert stairs.messages()[1].state == MessageState.SUPERSEDED
    stairs.after(days=1)
    assert stairs.calls() == [ALICE_SMS]


def test_a_text_that_does_not_arrive_is_said_elsewhere_once(grave):
    stairs = grave("minor")
    stairs.tell()
    stairs.receipt(MessageState.UNDELIVERED)
    stairs.after(minutes=1)
    assert stairs.calls() == [ALICE_SMS, ("c-1", EMAIL)]
    stairs.after(days=1)
    assert len(stairs.calls()) == 2
    assert stairs.ticket().state == TicketState.OPEN


def test_a_text_of_which_nobody_hears_again_is_said_elsewhere_after_half_an_hour(grave):
    stairs = grave("minor")
    stairs.tell()
    stairs.after(minutes=29)
    assert stairs.calls() == [ALICE_SMS]
    stairs.after(minutes=2)
    assert stairs.calls() == [ALICE_SMS, ("c-1", EMAIL)]


@pytest.mark.parametrize(("severity", "waits"), [("safety", {"c-2": 5}), ("critical", {"c-1": 10, "c-2": 25})])
def test_a_phone_that_is_off_keeps_nobody_else_from_being_told(grave, severity, waits):
    """It is tried again for more than an hour, which must not be what the next rung waits for."""
    stairs = grave(severity)
    stairs.lines[VOICE].refusals = [Retry.NEVER]
    stairs.tell()
    for _ in range(2):
        stairs.receipt(MessageState.UNDELIVERED, nth=0, refusal=Refusal.UNREACHABLE)
        stairs.after(seconds=70)
        stairs.after(minutes=1)
    for person, minutes in waits.items():
        stairs.after(minutes=minutes)
        assert [one for one in stairs.messages() if one.recipient_id == person and one.id > 1], person


def test_a_channel_that_was_given_up_is_not_the_next_rung(grave):
    """Nobody knows whether the text arrived; the mail came back. The text may have been read."""
    stairs = grave("major")
    stairs.lines[SMS].authoritative, stairs.lines[SMS].refusals = False, [Retry.LOOK_UP]
    stairs.tell()
    stairs.receipt(MessageState.UNDELIVERED, refusal=Refusal.UNREACHABLE)
    stairs.after(hours=1)
    assert stairs.calls() == [("c-1", EMAIL)]


def test_a_text_that_arrived_is_not_repeated(grave):
    stairs = grave("minor")
    stairs.tell()
    stairs.receipt(MessageState.DELIVERED)
    stairs.after(days=1)
    assert stairs.calls() == [ALICE_SMS]


def test_an_e_mail_that_does_not_come_back_has_arrived(grave):
    stairs = grave("minor")
    stairs.change(Customer, "c-1", channels=["email", "sms"])
    stairs.tell()
    stairs.after(days=1)
    assert stairs.calls() == [("c-1", EMAIL)]


def test_where_nothing_arrived_the_timeline_says_so(grave):
    stairs = grave("minor")
    stairs.change(Customer, "c-1", channels=["sms"])
    stairs.tell()
    stairs.receipt(MessageState.UNDELIVERED)
    stairs.after(hours=1)
    assert stairs.calls() == [ALICE_SMS]
    assert "not_received" in stairs.timeline()


def test_a_rung_on_a_channel_that_the_person_has_not_or_wants_not_is_left_out_at_once(stairs):
    with stairs.database.write() as session:
        consent.record(
            session,
            RecipientKind.CUSTOMER,
            "c-1",
            channels=[VOICE],
            purposes=[Purpose.SERVICE],
            granted=False,
            source=consent.Source.STOP,
            actor="customer:c-1",
            now=stairs.clock.now(),
        )
    stairs.tell()
    stairs.after(minutes=11)
    assert stairs.calls() == [ALICE_SMS, BOB_SMS]


def test_who_wants_no_texts_gets_the_first_word_where_they_can_be_reached(stairs):
    stairs.change(Customer, "c-1", channels=["email"], phone=None)
    stairs.change(Device, "hp-1", contacts=[])
    stairs.tell()
    stairs.after(minutes=11)
    assert stairs.calls() == [("c-1", EMAIL)]
    assert stairs.ticket().state == TicketState.PENDING_AGENT


def test_the_night_holds_the_ladder_as_it_holds_the_message(grave):
    stairs = grave("major")
    stairs.clock.advance(hours=13)
    stairs.tell()
    assert stairs.messages()[0].state == MessageState.HELD
    stairs.after(hours=8)
    assert len(stairs.messages()) == 1
    stairs.after(hours=1)
    assert stairs.calls() == [ALICE_SMS]
    stairs.after(minutes=30)
    assert stairs.calls() == [ALICE_SMS, ("c-1", EMAIL)]


def test_while_all_sending_is_paused_no_ladder_is_climbed(stairs):
    stairs.tell()
    stairs.add(Meta(key="sending_paused", value="1"))
    stairs.after(hours=3)
    assert len(stairs.messages()) == 1
    with stairs.database.write() as session:
        session.delete(session.get_one(Meta, "sending_paused"))
    stairs.after(minutes=2)
    assert stairs.calls() == [ALICE_SMS, ALICE_CALL]


def test_a_message_that_no_provider_takes_does_not_stall_the_ladder(stairs):
    stairs.lines[SMS].refusals = [Retry.SAFE] * 100
    stairs.tell()
    stairs.after(minutes=11)
    assert stairs.calls() == [ALICE_CALL]
    assert stairs.messages()[0].reason == "it goes out on another channel"


def test_an_appointment_whose_text_does_not_arrive_is_said_elsewhere(stairs):
    stairs.tell(MessageStage.VISIT_CONFIRMED, send=False)
    (row,) = stairs.messages()
    stairs.change(Message, row.id, state="accepted", channel="sms", provider_id="x", accepted_at=stairs.clock.now())
    stairs.after(minutes=11, send=False)
    assert [(one.stage, one.only_channel) for one in stairs.messages()][1:] == [("visit_confirmed", "email")]


def test_what_is_stale_on_one_channel_is_stale_on_the_next(stairs):
    stairs.tell(MessageStage.ON_THE_WAY, send=False)
    (row,) = stairs.messages()
    stairs.change(Message, row.id, state="accepted", channel="sms", provider_id="x", accepted_at=stairs.clock.now())
    stairs.after(minutes=11, send=False)
    _, higher = stairs.messages()
    assert higher.expires_at == row.expires_at == row.created_at + timedelta(hours=2)


def test_an_answer_about_the_fault_leaves_the_appointment_alone(stairs):
    stairs.tell(MessageStage.VISIT_CONFIRMED, send=False)
    stairs.reply()
    assert stairs.messages()[0].state == MessageState.READY


def test_a_playbook_may_have_a_ladder_of_its_own(grave):
    stairs = grave("minor")
    stairs.add(Playbook(name="loud", body={"name": "loud", "ladder": [{"on": ["voice"], "wait": "5m"}, "human"]}))
    stairs.change(Ticket, 1, playbook="loud")
    stairs.tell()
    stairs.after(minutes=6)
    assert stairs.calls() == [ALICE_CALL]
    assert stairs.ticket().state == TicketState.PENDING_AGENT


def test_a_ladder_has_one_appointment_and_none_once_it_is_over(stairs):
    stairs.tell()
    stairs.after(minutes=11)
    with stairs.database.read() as session:
        assert [row.detail for row in session.query(Due).filter_by(kind="rung")] == [{"step": 1}]
    stairs.reply()
    stairs.after(minutes=20)
    with stairs.database.read() as session:
        assert session.query(Due).filter_by(kind="rung").count() == 0


def test_the_desk_is_told_once_and_has_no_ladder(stairs):
    stairs.tell(MessageStage.CALL_WANTED)
    with stairs.database.read() as session:
        assert session.query(Due).filter_by(kind="rung").count() == 0


def test_what_is_kept_back_for_what_it_says_is_not_said_elsewhere_either(stairs):
    stairs.change(Fault, 1, late_evidence_s=7200.0)
    stairs.tell()
    assert stairs.messages()[0].state == MessageState.SUPPRESSED
    stairs.after(days=1)
    assert stairs.calls() == []
    assert stairs.ticket().state == TicketState.OPEN


@pytest.mark.parametrize(("severity", "state"), [("critical", TicketState.PENDING_AGENT), ("major", TicketState.OPEN)])
def test_what_stands_in_a_summary_is_heard_of_at_the_desk_where_an_answer_is_wanted(grave, severity, state):
    stairs = grave(severity, contacts=())
    stairs.change(Customer, "c-1", away_until=stairs.clock.now() + timedelta(days=9))
    stairs.tell()
    stairs.after(minutes=1)
    assert (stairs.calls(), stairs.ticket().state) == ([], state)
    desk = [one.details["reason"] for one in stairs.messages() if one.stage == "call_wanted"]
    said = "nobody hears of it now: this person is away until 12 March; it stands in the summary for then"
    assert desk == ([said] if state == TicketState.PENDING_AGENT else [])


def test_while_others_stand_in_for_who_is_away_theirs_is_the_ladder(stairs):
    stairs.change(Customer, "c-1", away_until=stairs.clock.now() + timedelta(days=9))
    stairs.tell()
    stairs.after(minutes=1)
    assert (stairs.calls(), stairs.ticket().state) == ([BOB_SMS], TicketState.OPEN)
    stairs.after(hours=1)
    assert stairs.ticket().state == TicketState.PENDING_AGENT


def test_where_the_person_wants_no_word_at_all_the_others_hear_of_it(stairs):
    with stairs.database.write() as session:
        consent.record(
            session,
            RecipientKind.CUSTOMER,
            "c-1",
            channels=list(Channel),
            granted=False,
            source=consent.Source.STOP,
            actor="customer:c-1",
            now=stairs.clock.now(),
        )
    stairs.tell()
    stairs.after(minutes=1)
    assert stairs.calls() == [BOB_SMS]
    stairs.after(hours=1)
    assert stairs.ticket().state == TicketState.PENDING_AGENT
