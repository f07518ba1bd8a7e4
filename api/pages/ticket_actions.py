"""What an agent does on a ticket page: each a plain form, answered by the page as it is afterwards."""

from datetime import datetime
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from api.ids import PathId
from api.pages.frame import admit
from api.pictures import served
from api.replying import reply
from api.routes.raw import FormFields
from api.services import House, Services
from domain.errors import NotFound, SourceError
from domain.tickets import TicketState, VisitUnneeded, VisitWanted
from store.tables import Attachment, Ticket
from tickets import service
from tickets.lifecycle import playbook_of

router = APIRouter()

AGENT = "agent"


@router.post("/tickets/{ticket_id}/{action}")
def act(ticket_id: PathId, action: str, request: Request, fields: FormFields, house: House) -> Response:
    """Do it and show the ticket again. Raises NotFound for an action that there is none of."""
    admit(request, house)
    with house.database.write() as session:
        ticket = session.get(Ticket, ticket_id)
        if ticket is None:
            raise NotFound("ticket", ticket_id)
        _do(house, session, ticket, action, fields, now=house.clock.now())
    return RedirectResponse(f"/tickets/{ticket_id}", status_code=303)


@router.get("/pictures/{picture_id}")
def picture(picture_id: PathId, request: Request, house: House) -> Response:
    """What somebody sent, for a browser that is signed in."""
    admit(request, house)
    with house.database.read() as session:
        return served(session.get(Attachment, picture_id), picture_id)


def _do(
    house: Services, session: Session, ticket: Ticket, action: str, fields: dict[str, str], *, now: datetime
) -> None:
    reason = fields.get("reason", "").strip()
    match action:
        case "comment":
            service.comment(session, ticket.id, fields.get("text", ""), actor=AGENT, now=now)
        case "reply":
            once = fields.get("once", "") or uuid4().hex
            effects = reply(session, ticket, fields.get("text", ""), actor=AGENT, once=once, now=now)
            house.hand_on(session, effects, now=now)
        case "assign":
            service.assign(session, ticket.id, fields.get("assignee", "").strip() or None, actor=AGENT, now=now)
        case "move":
            try:
                to = TicketState(fields.get("to", ""))
            except ValueError as exc:
                raise SourceError("there is no such state", key="to") from exc
            effects = service.move(session, ticket.id, to, actor=AGENT, now=now, reason=reason)
            house.hand_on(session, effects, now=now)
        case "send":
            if ticket.state == TicketState.PENDING_VISIT:
                skill = playbook_of(session, ticket).visit.skill
                house.hand_on(session, [VisitWanted(ticket.id, skill, asked_by=AGENT)], now=now)
            else:
                effects = service.move(
                    session, ticket.id, TicketState.PENDING_VISIT, actor=AGENT, now=now, reason=reason
                )
                house.hand_on(session, effects, now=now)
        case "call-off":
            house.hand_on(session, [VisitUnneeded(ticket.id)], now=now)
            effects = service.move(
                session, ticket.id, TicketState.PENDING_AGENT, actor=AGENT, now=now, reason=reason or "visit called off"
            )
            house.hand_on(session, effects, now=now)
        case "command":
            service.queue_command(
                session, ticket.device_id, fields.get("name", ""), asked_by=AGENT, now=now, ticket_id=ticket.id
            )
        case "verdict":
            word = fields.get("verdict", "")
            effects = service.judge_ticket(session, ticket.id, word, actor=AGENT, now=now, note=reason)
            house.hand_on(session, effects, now=now)
        case _:
            raise NotFound("action", action)
