"""A visit's moves, the same whether they come by REST or from the technician's page."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from api.schemas.desk import VisitMoveIn
from api.services import Services
from dispatch import service
from domain.tickets import Effect
from store import service_records
from store.tables import Ticket, Visit


class Move(StrEnum):
    """What can be done to a visit, as paths say it."""

    ACCEPT = "accept"
    DECLINE = "decline"
    EN_ROUTE = "en-route"
    ARRIVE = "arrive"
    PAUSE = "pause"
    COMPLETE = "complete"


def make_move(
    house: Services, session: Session, visit_id: int, move: Move, said: VisitMoveIn, *, now: datetime
) -> None:
    """Make the move and hand on what follows from it. Raises NotFound, IllegalTransition, Conflict."""
    match move:
        case Move.ACCEPT:
            effects = service.accept(session, visit_id, now=now)
        case Move.DECLINE:
            effects = service.decline(session, visit_id, reason=said.reason, now=now)
        case Move.EN_ROUTE:
            effects = service.en_route(session, visit_id, now=now)
        case Move.ARRIVE:
            effects = service.arrive(session, visit_id, now=now)
        case Move.PAUSE:
            effects = service.pause(session, visit_id, now=now)
        case Move.COMPLETE:
            effects = _complete(session, visit_id, said, now=now)
    house.hand_on(session, effects, now=now)


def _complete(session: Session, visit_id: int, said: VisitMoveIn, *, now: datetime) -> list[Effect]:
    visit = session.get(Visit, visit_id)
    done = visit is not None and visit.finished_at is not None
    effects = service.complete(
        session,
        visit_id,
        outcome=said.outcome,
        note=said.note,
        verdict=said.verdict,
        code=said.closing_code,
        now=now,
    )
    if said.serviced and visit is not None and not done:
        service_records.record(session, session.get_one(Ticket, visit.ticket_id).device_id, at=now, now=now)
    return effects
