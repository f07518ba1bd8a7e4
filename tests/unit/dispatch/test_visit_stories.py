"""Offers and visits, from the first asking to the last screw."""

import pytest

from dispatch import service
from dispatch.orders import order_state
from domain.errors import IllegalTransition, NotFound, SourceError
from domain.messages import MessageStage, ReplyIntent
from domain.tickets import VISIT_MOVES, TicketState, VisitState, WorkOrderState
from store.tables import Due, Fault, Technician, Visit, WorkOrder
from tests.fakes.desk import Desk

OFFER, CONFIRMED, NONE_FREE = MessageStage.VISIT_OFFER, MessageStage.VISIT_CONFIRMED, MessageStage.VISIT_NONE_FREE
NO_TECHNICIAN, CANCELLED = MessageStage.NO_TECHNICIAN, MessageStage.VISIT_CANCELLED


@pytest.fixture
def asked(desk: Desk) -> Desk:
    """Two technicians, and a customer who wants one."""
    desk.technician("near", lat=48.86)
    desk.technician("far", lat=48.70)
    desk.playbook({"name": "plain", "healthy_for": "10m", "visit": {"skill": "refrigerant", "duration": "45m"}})
    desk.rule("hot", playbook="plain")
    desk.fires("hot")
    desk.deliver()
    desk.reply(ReplyIntent.SEND_SOMEONE)
    return desk


def order(desk: Desk) -> WorkOrder:
    return desk.rows(WorkOrder)[-1]


def test_the_nearest_with_the_skill_is_asked(asked: Desk) -> None:
    assert (asked.visit.technician_id, asked.visit.state) == ("near", "offered")
    assert (order(asked).state, order(asked).skill, order(asked).duration_s) == ("assigned", "refrigerant", 2700.0)
    offer = asked.announced[-1]
    assert (offer.stage, offer.occurrence) == (OFFER, str(asked.visit.id))
    assert offer.details == {"technician_id": "near", "visit_id": asked.visit.id}
    assert asked.state is TicketState.PENDING_VISIT


def test_accepted_means_confirmed_to_the_customer_once(asked: Desk) -> None:
    for _ in range(2):
        asked.visit_move(service.accept)
    assert asked.stages().count(CONFIRMED) == 1
    assert order(asked).state == "accepted"
    assert [row.kind for row in asked.rows(Due) if row.kind == "offer_expires"] == []
    asked.advance(days=3)
    assert asked.visit.state == "accepted"


def test_declined_goes_to_the_next_and_then_to_a_person(asked: Desk) -> None:
    asked.visit_move(service.decline, reason="ill")
    assert (asked.visit.technician_id, asked.visit.state) == ("far", "offered")
    asked.visit_move(service.decline, visit_id=asked.rows(Visit)[0].id, reason="ill")
    assert len(asked.rows(Visit)) == 2, "declining twice passes it on once"
    asked.visit_move(service.decline)
    assert asked.state is TicketState.PENDING_AGENT
    assert asked.stages()[-2:] == [NO_TECHNICIAN, NONE_FREE]
    assert (order(asked).state, asked.rows(Visit)[0].note) == ("pending_dispatch", "ill")


def test_silence_passes_the_offer_on(asked: Desk) -> None:
    asked.advance(minutes=29)
    assert asked.visit.technician_id == "near"
    asked.advance(minutes=2)
    assert [(visit.technician_id, visit.state) for visit in asked.rows(Visit)] == [
        ("near", "expired"),
        ("far", "offered"),
    ]
    with pytest.raises(IllegalTransition):
        asked.visit_move(service.accept, visit_id=asked.rows(Visit)[0].id)


def test_a_playbook_says_how_long_an_answer_may_take(desk: Desk) -> None:
    desk.technician("near")
    desk.playbook({"name": "quick", "visit": {"answer_within": "5m"}})
    desk.rule("hot", playbook="quick")
    desk.fires("hot")
    desk.reply(ReplyIntent.SEND_SOMEONE)
    desk.advance(minutes=6)
    assert desk.visit.state == "expired"


def test_an_offer_at_night_is_not_lost_by_sleeping(desk: Desk) -> None:
    desk.technician("near", skills=())
    desk.advance(hours=12)
    desk.fires()
    desk.reply(ReplyIntent.SEND_SOMEONE)
    assert desk.visit.window_start.hour == 8
    desk.advance(hours=10)
    assert desk.visit.state == "offered", "it is seven in the morning"
    desk.advance(hours=2)
    assert desk.visit.state == "expired"


def test_nobody_has_the_skill_so_the_dispatcher_knows_at_once(desk: Desk) -> None:
    desk.technician("gas", skills=["gas"])
    desk.playbook({"name": "cold", "steps": [{"visit": {"skill": "refrigerant"}}]})
    desk.rule("hot", playbook="cold")
    desk.fires("hot")
    assert desk.stages() == [NO_TECHNICIAN], "the customer has asked for nothing"
    told = desk.announced[-1].details
    assert told["skill"] == "refrigerant"
    assert told["left_out"] == [{"technician_id": "gas", "reason": "lacks the skill refrigerant"}]
    assert desk.state is TicketState.PENDING_AGENT
    desk.technician("cold")
    desk.reply(ReplyIntent.SEND_SOMEONE)
    assert desk.visit.technician_id == "cold", "asked again, somebody is there by now"
    assert len(desk.rows(WorkOrder)) == 1


def test_there_are_no_technicians_at_all(desk: Desk) -> None:
    desk.fires()
    desk.reply(ReplyIntent.SEND_SOMEONE)
    desk.reply(ReplyIntent.SEND_SOMEONE)
    assert desk.state is TicketState.PENDING_AGENT
    assert desk.announced[-1] == desk.announced[-3], "asking in vain again says the same again, which is sent once"


def test_recovery_before_setting_out_calls_it_off(asked: Desk) -> None:
    asked.visit_move(service.accept)
    asked.clears("hot")
    asked.advance(minutes=11)
    assert asked.state is TicketState.RESOLVED
    assert (asked.visit.state, order(asked).state) == ("cancelled", "cancelled")
    assert asked.stages()[-2:] == [MessageStage.RESOLVED, CANCELLED]
    with pytest.raises(IllegalTransition):
        asked.visit_move(service.en_route)


def test_recovery_seen_on_setting_out_spares_the_drive(asked: Desk) -> None:
    asked.visit_move(service.accept)
    asked.clears("hot")
    asked.visit_move(service.en_route)
    assert (asked.visit.state, asked.stages()[-1]) == ("cancelled", CANCELLED)
    assert asked.state is TicketState.PENDING_DEVICE
    asked.fires("hot")
    assert (asked.visit.state, len(asked.rows(Visit))) == ("offered", 2), "it came back: somebody is sent after all"


def test_recovery_after_setting_out_lets_them_come(asked: Desk) -> None:
    asked.visit_move(service.accept)
    asked.visit_move(service.en_route)
    asked.clears("hot")
    asked.advance(minutes=11)
    assert (asked.state, asked.visit.state) == (TicketState.RESOLVED, "en_route")
    asked.visit_move(service.arrive)
    asked.visit_move(service.complete)
    assert (asked.state, order(asked).state) == (TicketState.RESOLVED, "done")


def test_a_visit_with_a_pause_is_stamped_at_every_step(asked: Desk) -> None:
    asked.visit_move(service.accept)
    for move in (service.en_route, service.en_route, service.arrive, service.pause, service.arrive):
        asked.advance(minutes=10)
        asked.visit_move(move)
    asked.visit_move(service.complete, note="filter cleaned", verdict="real")
    asked.visit_move(service.complete, note="again")
    visit = asked.visit
    assert (visit.state, visit.note) == ("completed", "filter cleaned")
    assert visit.answered_at < visit.en_route_at < visit.arrived_at < visit.finished_at
    assert asked.stages().count(MessageStage.ON_THE_WAY) == 1
    assert (asked.rows(Fault)[0].verdict, asked.rows(Fault)[0].verdict_by) == ("real", "technician:near")
    moves = [kind for kind in asked.story() if kind.startswith("visit_")]
    assert moves == [
        "visit_wanted",
        "visit_offered",
        "visit_accepted",
        "visit_en_route",
        "visit_arrived",
        "visit_paused",
        "visit_arrived",
        "visit_completed",
    ]


def test_what_one_visit_did_not_fix_goes_to_a_person(asked: Desk) -> None:
    for move in (service.accept, service.en_route, service.arrive):
        asked.visit_move(move)
    asked.visit_move(service.complete, outcome="incomplete", note="part missing")
    assert (asked.state, asked.visit.state, order(asked).state) == (
        TicketState.PENDING_AGENT,
        "incomplete",
        "incomplete",
    )
    asked.reply(ReplyIntent.SEND_SOMEONE)
    assert len(asked.rows(WorkOrder)) == 2


def test_a_technician_finds_a_false_alarm(asked: Desk) -> None:
    for move in (service.accept, service.en_route, service.arrive):
        asked.visit_move(move)
    asked.visit_move(service.complete, verdict="false_alarm")
    assert (asked.state, order(asked).state) == (TicketState.RESOLVED, "done")
    assert asked.stages()[-1] is MessageStage.FALSE_ALARM


def test_fixed_on_site_is_enough_where_telemetry_never_spoke(desk: Desk) -> None:
    desk.technician("near", skills=())
    desk.reply(ReplyIntent.SEND_SOMEONE, text="it drips")
    for move in (service.accept, service.en_route, service.arrive, service.complete):
        desk.visit_move(move)
    assert (desk.state, desk.ticket.closed_by) == (TicketState.RESOLVED, "technician")


def test_who_had_accepted_can_still_fall_out(asked: Desk) -> None:
    asked.visit_move(service.accept)
    asked.visit_move(service.decline, reason="van broke down")
    assert (asked.visit.technician_id, asked.visit.state) == ("far", "offered")
    asked.visit_move(service.accept)
    assert asked.stages().count(CONFIRMED) == 2
    asked.visit_move(service.decline)
    assert asked.stages()[-1] is NONE_FREE


def test_two_tickets_never_share_a_technicians_window(desk: Desk) -> None:
    desk.technician("near", skills=())
    for device, customer in (("hp-1", "c-1"), ("hp-2", "c-2")):
        desk.fires(device=device)
        desk.reply(ReplyIntent.SEND_SOMEONE, customer=customer)
    first, second = desk.rows(Visit)
    assert first.window_end <= second.window_start


def test_a_window_taken_meanwhile_is_offered_anew_to_the_same_technician(desk: Desk) -> None:
    desk.technician("near", skills=())
    for device, customer in (("hp-1", "c-1"), ("hp-2", "c-2")):
        desk.fires(device=device)
        desk.reply(ReplyIntent.SEND_SOMEONE, customer=customer)
    with desk.write() as session:
        first, second = session.query(Visit).order_by(Visit.id)
        second.window_start, second.window_end = first.window_start, first.window_end
    first, second = desk.rows(Visit)
    desk.visit_move(service.accept, visit_id=first.id)
    desk.visit_move(service.accept, visit_id=second.id)
    assert [visit.state for visit in desk.rows(Visit)] == ["accepted", "expired", "offered"]
    assert desk.visit.technician_id == "near"
    assert desk.visit.window_start >= first.window_end


def test_an_offer_accepted_when_its_time_is_over_is_made_anew(asked: Desk) -> None:
    asked.sleep_through(days=1)
    asked.visit_move(service.accept)
    assert [visit.state for visit in asked.rows(Visit)] == ["expired", "offered"]
    assert asked.visit.window_start > asked.now


def test_a_ticket_that_is_over_asks_for_nobody(asked: Desk) -> None:
    asked.visit_move(service.accept)
    asked.clears("hot")
    asked.advance(minutes=11)
    before = len(asked.rows(WorkOrder))
    asked.do(service.request, asked.ticket.id)
    asked.do(service.call_off, asked.ticket.id)
    assert len(asked.rows(WorkOrder)) == before


def test_every_pair_of_states_moves_as_the_table_says(asked: Desk) -> None:
    moves = {
        service.accept: VisitState.ACCEPTED,
        service.decline: VisitState.DECLINED,
        service.en_route: VisitState.EN_ROUTE,
        service.arrive: VisitState.ON_SITE,
        service.pause: VisitState.PAUSED,
        service.complete: VisitState.COMPLETED,
    }
    number = asked.visit.id
    for was in VisitState:
        for move, to in moves.items():
            with asked.database.write() as session:
                session.get_one(Visit, number).state = was
                session.flush()
                if to is was or to in VISIT_MOVES[was]:
                    move(session, number, now=asked.now)
                    assert session.get_one(Visit, number).state == to
                else:
                    with pytest.raises(IllegalTransition):
                        move(session, number, now=asked.now)
                session.rollback()


def test_what_is_not_there_cannot_move(asked: Desk) -> None:
    with pytest.raises(NotFound):
        asked.visit_move(service.accept, visit_id=99)
    with pytest.raises(SourceError):
        asked.visit_move(service.complete, outcome="half")


def test_a_technicians_garbled_row_keeps_nobody_else_from_being_sent(desk: Desk) -> None:
    with desk.write() as session:
        session.add(Technician(id="odd", name="Odd", shifts={"someday": ["x"]}, timezone="Mars/Olympus"))
    desk.fires()
    desk.reply(ReplyIntent.SEND_SOMEONE)
    assert desk.visit.technician_id == "odd"


@pytest.mark.parametrize(
    ("visits", "state"),
    [
        ([], WorkOrderState.PENDING_DISPATCH),
        ([VisitState.OFFERED], WorkOrderState.ASSIGNED),
        ([VisitState.DECLINED, VisitState.OFFERED], WorkOrderState.ASSIGNED),
        ([VisitState.DECLINED, VisitState.EXPIRED], WorkOrderState.PENDING_DISPATCH),
        ([VisitState.ACCEPTED], WorkOrderState.ACCEPTED),
        ([VisitState.DECLINED, VisitState.PAUSED], WorkOrderState.IN_PROGRESS),
        ([VisitState.COMPLETED], WorkOrderState.DONE),
        ([VisitState.DECLINED, VisitState.INCOMPLETE], WorkOrderState.INCOMPLETE),
    ],
)
def test_an_orders_state_follows_from_its_visits(visits: list[VisitState], state: WorkOrderState) -> None:
    assert order_state(visits) is state
