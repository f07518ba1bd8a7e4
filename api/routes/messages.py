"""Messages: what went to whom, how far it got, and why or why not."""

from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.explaining import why_nobody, why_of
from api.ids import PathId, QueryId
from api.paging import Page, Wanted, page_of
from api.schemas.desk import MessageDetail, MessageOut, WhyPerson
from api.schemas.moments import Moment
from api.services import House, Services
from domain.errors import NotFound
from domain.messages import MessageState, RecipientKind
from store import pausing, settling
from store.tables import Customer, Message, MessageAttempt, Ticket

router = APIRouter(prefix="/v1/messages", tags=["messages"])


class QueueOut(BaseModel):
    """Messages of one stage that have not gone out."""

    stage: str
    count: int
    oldest: Moment

    model_config = {"from_attributes": True}


class Paused(BaseModel):
    """Whether sending is paused, and how many messages wait."""

    paused: bool
    queued: int


class Settlement(BaseModel):
    """What a person knows of a message in doubt, or wants."""

    outcome: Literal["arrived", "send_again"]


class PauseOut(Paused):
    """Since when, by whom and why, as far as anybody said; and what waits, by stage."""

    since: Moment | None
    by: str
    reason: str
    waiting: list[QueueOut]


class Why(BaseModel):
    """Why sending is paused."""

    reason: str = Field("", max_length=500)


@router.get("", response_model=Page[MessageOut], summary="List messages, newest first")
def list_messages(
    house: House,
    wanted: Wanted,
    ticket_id: QueryId | None = None,
    customer_id: str | None = None,
    state: MessageState | None = None,
) -> Any:
    query = select(Message)
    if customer_id is not None:
        query = query.where(Message.recipient_kind == RecipientKind.CUSTOMER, Message.recipient_id == customer_id)
    for column, value in ((Message.ticket_id, ticket_id), (Message.state, state)):
        if value is not None:
            query = query.where(column == value)
    with house.database.read() as session:
        rows, cursor = page_of(session, query, Message.id, wanted, newest_first=True)
        return {"items": rows, "next": cursor}


@router.get("/why", response_model=WhyPerson, summary="Why a customer was told of a ticket, or was not")
def explain(ticket_id: QueryId, customer_id: str, house: House) -> Any:
    with house.database.read() as session:
        ticket, customer = session.get(Ticket, ticket_id), session.get(Customer, customer_id)
        if ticket is None:
            raise NotFound("ticket", ticket_id)
        if customer is None:
            raise NotFound("customer", customer_id)
        theirs = Message.recipient_kind == RecipientKind.CUSTOMER, Message.recipient_id == customer_id
        rows = session.scalars(select(Message).where(Message.ticket_id == ticket_id, *theirs).order_by(Message.id))
        told = [
            {
                "id": row.id,
                "stage": row.stage,
                "state": row.state,
                "why": why_of(session, row, dispatcher=house.dispatcher),
            }
            for row in rows
        ]
        return {"why": told[-1]["why"] if told else why_nobody(session, ticket, customer), "messages": told}


@router.get("/paused", response_model=PauseOut, summary="Whether sending is paused, and what waits")
def paused(house: House) -> Any:
    with house.database.read() as session:
        return _paused(session)


@router.get("/{message_id}", response_model=MessageDetail, summary="Read a message with each attempt")
def read_message(message_id: PathId, house: House) -> Any:
    with house.database.read() as session:
        message = session.get(Message, message_id)
        if message is None:
            raise NotFound("message", message_id)
        return _detail(house, session, message)


@router.post("/{message_id}/settle", response_model=MessageDetail, summary="Settle a message whose outcome is unknown")
def settle_message(message_id: PathId, wanted: Settlement, house: House) -> Any:
    """For a message `in_doubt`: a person knows that it arrived, or has it sent again."""
    with house.database.write() as session:
        arrived = wanted.outcome == "arrived"
        return _detail(
            house, session, settling.settle(session, message_id, arrived=arrived, actor="agent", now=house.clock.now())
        )


@router.post("/{message_id}/redrive", response_model=MessageDetail, summary="Try a message again that failed")
def redrive_message(message_id: PathId, house: House) -> Any:
    """Say after an address was mended; truth, consent and hours are checked again before it goes out."""
    with house.database.write() as session:
        return _detail(house, session, settling.redrive(session, message_id, actor="agent", now=house.clock.now()))


def _detail(house: Services, session: Session, message: Message) -> dict[str, Any]:
    session.flush()
    attempts = select(MessageAttempt).where(MessageAttempt.message_id == message.id).order_by(MessageAttempt.id)
    fields = {column.key: getattr(message, column.key) for column in Message.__mapper__.columns}
    sentence = why_of(session, message, dispatcher=house.dispatcher)
    return {**fields, "why": sentence, "log": session.scalars(attempts).all()}


@router.post("/pause", response_model=Paused, summary="Pause all sending, warnings of danger included")
def pause(house: House, why: Why | None = None) -> Any:
    with house.database.write() as session:
        pausing.pause(session, by="agent", reason=why.reason.strip() if why else "", now=house.clock.now())
        return _paused(session)


@router.post("/resume", response_model=Paused, summary="Resume sending")
def resume(house: House) -> Any:
    with house.database.write() as session:
        pausing.resume(session, now=house.clock.now())
        return _paused(session)


def _paused(session: Session) -> dict[str, Any]:
    waiting = pausing.waiting(session)
    return {**asdict(pausing.state(session)), "queued": sum(one.count for one in waiting), "waiting": waiting}
