"""Where a person decides whether many people hear of one cause."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.ids import PathId
from api.pages.frame import admit, desk_zone, frame
from api.pages.rendering import page
from api.routes.approvals import Decision, DecisionIn
from api.routes.approvals import decide as decide_on
from api.routes.raw import FormFields
from api.services import House
from api.views import times
from domain.brakes import CauseState
from domain.errors import SourceError
from store import approvals
from store.brakes import waiting_for
from store.tables import Customer, Message

router = APIRouter()
SHOWN = 5
"""Names of people who wait, as a sample."""


@router.get("/approvals")
def show(request: Request, house: House) -> Response:
    """What waits for a word, and what was decided."""
    admit(request, house)
    now, zone = house.clock.now(), desk_zone(house)
    with house.database.read() as session:
        found = approvals.approvals(session)
        return page(
            request,
            "approvals.html",
            part="parts/approvals.html",
            frame=frame(request, session),
            open=[
                (one, times.at(one.wanted_at, zone, now=now), _who(session, one.key))
                for one in found
                if one.state is CauseState.WAITING
            ],
            decided=[
                (one, times.at(one.decided_at or one.wanted_at, zone, now=now))
                for one in found
                if one.state is not CauseState.WAITING
            ],
            per_minute=house.approved_per_minute,
        )


@router.post("/approvals/{approval_id}")
def decide(approval_id: PathId, request: Request, fields: FormFields, house: House) -> Response:
    """One tap."""
    admit(request, house)
    word = fields.get("decision", "")
    if word not in set(Decision):
        raise SourceError(f"{word!r} decides nothing", key="decision", cure="approve or decline")
    decide_on(approval_id, DecisionIn(decision=Decision(word), note=fields.get("note", "")[:500]), house)
    return RedirectResponse("/approvals", status_code=303)


def _who(session: Session, key: str) -> str:
    ids = waiting_for(session, key)
    query = select(Customer.name).join(Message, Message.recipient_id == Customer.id).where(Message.id.in_(ids[:SHOWN]))
    names = ", ".join(session.scalars(query.order_by(Message.id)))
    return f"{names} and {len(ids) - SHOWN} more" if len(ids) > SHOWN else names
