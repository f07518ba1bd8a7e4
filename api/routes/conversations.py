"""A customer's conversation with us, whatever channels it went over; a colleague's answer; the pictures in it."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Response, status
from pydantic import BaseModel, Field

from api.ids import LARGEST, PathId
from api.paging import Page, Slice, Wanted
from api.pictures import served
from api.replying import LONGEST, reply
from api.schemas.moments import Moment, Shown
from api.services import House
from domain.errors import NotFound, SourceError
from domain.messages import RecipientKind
from store import threads
from store.tables import Attachment, Customer, Ticket
from tickets.lifecycle import find_ticket

router = APIRouter(prefix="/v1", tags=["messages"])


class PictureOut(Shown):
    """A picture that came with somebody's words; kept ones are at `/v1/pictures/{id}`."""

    id: int
    state: str
    reason: str
    name: str
    media_type: str
    size: int


class SaidOut(Shown):
    """One thing in a conversation: `m…` is a message of ours, `i…` one of theirs."""

    id: str
    at: Moment
    outgoing: bool
    channel: str
    text: str
    subject: str
    ticket_id: int | None
    state: str
    stage: str
    reason: str
    intent: str
    automatic: bool
    pictures: list[PictureOut]


class ReplyIn(BaseModel):
    """A colleague's own words to the customer."""

    text: str = Field(min_length=1, max_length=LONGEST)
    once: str = Field(default="", max_length=64, description="the same again goes out once")


class ReplyOut(BaseModel):
    """It is in the outbox: the conversation says what became of it."""

    ticket_id: int


@router.get(
    "/customers/{customer_id}/conversation", response_model=Page[SaidOut], summary="Read a conversation, newest first"
)
def read_conversation(customer_id: str, house: House, wanted: Wanted) -> Any:
    with house.database.read() as session:
        if session.get(Customer, customer_id) is None:
            raise NotFound("customer", customer_id)
        found = threads.of_person(
            session, RecipientKind.CUSTOMER, customer_id, limit=wanted.limit + 1, before=_place(wanted)
        )
        more, shown = len(found) > wanted.limit, list(reversed(found))[: wanted.limit]
        items = [SaidOut.model_validate(said) for _, said in shown]
        return {"items": items, "next": _cursor(shown[-1][0]) if more else None}


@router.post(
    "/tickets/{ticket_id}/replies",
    response_model=ReplyOut,
    status_code=status.HTTP_202_ACCEPTED,
    summary="Answer the customer in one's own words",
)
def reply_on_ticket(ticket_id: PathId, body: ReplyIn, house: House) -> Any:
    now = house.clock.now()
    with house.database.write() as session:
        ticket: Ticket = find_ticket(session, ticket_id)
        effects = reply(session, ticket, body.text, actor="agent", once=body.once or uuid4().hex, now=now)
        house.hand_on(session, effects, now=now)
        return {"ticket_id": ticket.id}


@router.get("/pictures/{picture_id}", response_class=Response, summary="Read a picture that somebody sent")
def read_picture(picture_id: PathId, house: House) -> Response:
    with house.database.read() as session:
        return served(session.get(Attachment, picture_id), picture_id)


def _cursor(place: threads.Place) -> str:
    at, which, number = place
    return urlsafe_b64encode(json.dumps([at.isoformat(), which, number]).encode()).decode()


def _place(wanted: Slice) -> threads.Place | None:
    """Where the last page ended. Raises SourceError for what is no cursor of this list."""
    if wanted.cursor is None:
        return None
    try:
        at, which, number = json.loads(urlsafe_b64decode(wanted.cursor.encode()))
        if which not in {"m", "i"} or not isinstance(number, int) or not 0 <= number <= LARGEST:
            raise ValueError("no place of a conversation")
        then = datetime.fromisoformat(at)
        if then.tzinfo is None:
            raise ValueError("a time without a zone")
        return then, which, number
    except (ValueError, TypeError) as exc:
        raise SourceError(
            "this cursor is not one of ours", cure="pass `next` of the page before", key="cursor"
        ) from exc
