"""What agents do by hand, and what is kept from them."""

from datetime import timedelta

import pytest

from domain.errors import AlreadyExists, Conflict, IllegalTransition, NotFound, SourceError
from domain.messages import MessageStage
from domain.tickets import LEGAL_MOVES, TicketCause, TicketState
from store.tables import Fault, Visit
from tests.fakes.desk import Desk
from tickets import service
from tickets.lifecycle import find_ticket, shift

AGENT = {"actor": "agent"}


def test_a_ticket_is_opened_by_hand_with_its_first_words(desk: Desk) -> None:
    number, effects = desk.do(service.open_by_hand, device_id="hp-1", title="Noisy at night", text="since May", **AGENT)
    ticket = desk.ticket
    assert (ticket.id, ticket.state, ticket.customer_id, ticket.cause) == (number, "open", "c-1", "agent")
    assert effects == []
    assert desk.story() == ["ticket_opened", "comment"]
    with pytest.raises(AlreadyExists):
        desk.do(service.open_by_hand, device_id="hp-1", title="Noisy at night", **AGENT)
    desk.do(service.open_by_hand, device_id="hp-1", title="Noisy", family="noise", cause=TicketCause.CUSTOMER, **AGENT)
    assert desk.tickets()[-1].first_contact_at == desk.now


def test_the_customer_can_be_told_of_a_ticket_by_hand(desk: Desk) -> None:
    desk.do(service.open_by_hand, device_id="hp-1", title={"en": "Recall"}, tell_customer=True, **AGENT)
    assert desk.stages() == [MessageStage.OPENING]


@pytest.mark.parametrize("who", [{"device_id": "nothing"}, {"device_id": "hp-1", "customer_id": "nobody"}])
def test_a_ticket_is_about_something_and_somebody_real(desk: Desk, who: dict[str, str]) -> None:
    with pytest.raises(NotFound):
        desk.do(service.open_by_hand, title="?", **who, **AGENT)


def test_every_pair_of_states_moves_as_the_table_says(desk: Desk) -> None:
    desk.fires()
    number = desk.ticket.id
    for was in TicketState:
        for to in TicketState:
            with desk.write() as session:
                ticket = find_ticket(session, number)
                ticket.state = was
                if to in LEGAL_MOVES[was] or to is was:
                    shift(session, ticket, to, actor="agent", now=desk.now)
                    assert ticket.state == to
                else:
                    with pytest.raises(IllegalTransition) as refused:
                        shift(session, ticket, to, actor="agent", now=desk.now)
                    assert refused.value.legal == LEGAL_MOVES[was]
                session.rollback()


def test_ending_a_ticket_whose_fault_is_still_there_needs_a_reason(desk: Desk) -> None:
    desk.fires()
    desk.deliver()
    number = desk.ticket.id
    for to in (TicketState.RESOLVED, TicketState.CLOSED):
        with pytest.raises(Conflict):
            desk.do(service.move, number, to, **AGENT)
    desk.do(service.move, number, TicketState.RESOLVED, reason="the sensor is being replaced", **AGENT)
    assert (desk.state, desk.ticket.closed_by) == (TicketState.RESOLVED, "agent")
    assert desk.stages() == [MessageStage.OPENING], "what telemetry still shows is not called fixed"


def test_a_ticket_moved_by_hand_is_told_and_its_visit_called_off(desk: Desk) -> None:
    desk.technician("t-1", skills=())
    desk.do(service.open_by_hand, device_id="hp-1", title="Noisy", tell_customer=True, **AGENT)
    desk.deliver()
    number = desk.ticket.id
    desk.do(service.move, number, TicketState.PENDING_VISIT, **AGENT)
    assert desk.rows(Visit)[0].state == "offered"
    desk.do(service.move, number, TicketState.RESOLVED, **AGENT)
    assert desk.rows(Visit)[0].state == "cancelled"
    assert desk.stages()[-2:] == [MessageStage.RESOLVED, MessageStage.VISIT_CANCELLED]
    desk.do(service.move, number, TicketState.OPEN, **AGENT)
    assert (desk.state, desk.ticket.reopened, desk.ticket.resolved_at) == (TicketState.OPEN, 1, None)
    desk.do(service.move, number, TicketState.CANCELLED, **AGENT)
    with pytest.raises(IllegalTransition):
        desk.do(service.move, number, TicketState.OPEN, **AGENT)


def test_a_ticket_stays_closed_while_another_is_open_for_the_same_trouble(desk: Desk) -> None:
    desk.fires()
    desk.clears()
    desk.advance(days=40)
    desk.fires()
    old = desk.tickets()[0]
    with pytest.raises(Conflict):
        desk.do(service.move, old.id, TicketState.OPEN, **AGENT)


def test_comments_and_assignment_stand_in_the_timeline(desk: Desk) -> None:
    desk.fires()
    number = desk.ticket.id
    desk.do(service.comment, number, text=" called twice ", **AGENT)
    desk.do(service.assign, number, assignee="sam", **AGENT)
    desk.do(service.assign, number, assignee="sam", **AGENT)
    assert desk.ticket.assignee == "sam"
    assert desk.story().count("assigned") == 1
    assert desk.entries()[-2].detail == {"text": "called twice"}
    with pytest.raises(SourceError):
        desk.do(service.comment, number, text="  ", **AGENT)


def test_a_false_alarm_is_said_plainly_to_who_was_told(desk: Desk) -> None:
    desk.fires()
    desk.deliver()
    (fault,) = desk.rows(Fault)
    for _ in range(2):
        desk.do(service.verdict, fault.id, "false_alarm", **AGENT)
    assert desk.state is TicketState.RESOLVED
    assert desk.stages() == [MessageStage.OPENING, MessageStage.FALSE_ALARM]
    desk.clears()
    assert desk.state is TicketState.RESOLVED


def test_a_false_alarm_beside_a_real_fault_resolves_nothing(desk: Desk) -> None:
    desk.rule("pressure", family="cooling")
    desk.fires()
    desk.fires("pressure")
    first, second = desk.rows(Fault)
    desk.do(service.verdict, first.id, "false_alarm", **AGENT)
    assert desk.state is TicketState.PENDING_CUSTOMER
    desk.clears("pressure")
    assert desk.state is TicketState.RESOLVED, "the false alarm does not count as still there"
    desk.do(service.verdict, second.id, "real", **AGENT)
    assert [fault.verdict for fault in desk.rows(Fault)] == ["false_alarm", "real"]


def test_a_verdict_is_one_of_two(desk: Desk) -> None:
    desk.fires()
    with pytest.raises(SourceError):
        desk.do(service.verdict, desk.rows(Fault)[0].id, "perhaps", **AGENT)
    with pytest.raises(NotFound):
        desk.do(service.verdict, 99, "real", **AGENT)


def test_a_mute_made_longer_ends_later(desk: Desk) -> None:
    desk.do(service.mute, "hp-1", until=desk.now + timedelta(hours=1), reason="service")
    desk.do(service.mute, "hp-1", until=desk.now + timedelta(hours=3), reason="service")
    desk.fires()
    desk.advance(hours=2)
    assert desk.tickets() == []
    desk.advance(hours=2)
    assert len(desk.tickets()) == 1
    assert desk.feed().count("device.muted") == 2
    with pytest.raises(SourceError):
        desk.do(service.mute, "hp-1", until=desk.now, reason="too late")
    with pytest.raises(NotFound):
        desk.do(service.unmute, "nothing")
