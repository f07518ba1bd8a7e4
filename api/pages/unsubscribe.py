"""The page behind the link in an e-mail that ends e-mails of its kind: GET shows, for scanners look; POST acts at once.

RFC 8058: mail programs post `List-Unsubscribe=One-Click` without a login and follow no redirect, so the page answers.
"""

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from api import unsubscribing
from api.pages.rendering import page
from api.services import House, Services
from api.views.unsubscribe_words import key, stays, words_of
from domain.errors import NotFound
from domain.links import Purpose as LinkPurpose
from domain.messages import Channel, Purpose
from store import consent, people
from store.briefs import sender_of
from store.tables import Device, Message, Product, Ticket

router = APIRouter()


@router.get("/u/{token}")
def show(token: str, request: Request, house: House) -> Response:
    """What one click would do. Looking changes nothing."""
    with house.database.read() as session:
        message = _message(session, house, token)
        context = _context(session, message, house)
    return page(request, "unsubscribe.html", token=token, **context)


@router.post("/u/{token}")
def stop(token: str, request: Request, house: House) -> Response:
    with house.database.write() as session:
        message = _message(session, house, token)
        unsubscribing.refuse(session, message, evidence="one click", now=house.clock.now())
        context = _context(session, message, house)
    return page(request, "unsubscribe.html", token=token, **context)


@router.post("/u/{token}/undo")
def undo(token: str, request: Request, house: House) -> Response:
    with house.database.write() as session:
        message = _message(session, house, token)
        unsubscribing.take_back(session, message, evidence="taken back", now=house.clock.now())
        context = _context(session, message, house)
    return page(request, "unsubscribe.html", token=token, **context | {"undone": True})


def _message(session: Session, house: House, token: str) -> Message:
    """Raises Forbidden, NotFound."""
    number = house.signer.open(LinkPurpose.UNSUBSCRIBE, token)
    message = session.get(Message, number)
    if message is None or not unsubscribing.may_refuse(message):
        raise NotFound("message", number)
    return message


def _context(session: Session, message: Message, house: Services) -> dict[str, Any]:
    person, purpose = people.customer(session, message.recipient_id), Purpose(message.purpose)
    refused = person.refused.get((Channel.EMAIL, purpose))
    others = [
        channel
        for channel in person.channels
        if channel is not Channel.EMAIL and person.address(channel) and not person.refuses(channel, purpose)
    ]
    words, wanted = words_of(person.language), refused is None
    by_click = refused == consent.Source.UNSUBSCRIBE
    title = words[key("ask" if wanted else "done", purpose)] if wanted or by_click else words["refused"]
    return {
        "language": person.language,
        "w": words,
        "sender": _sender(session, message),
        "state": "wanted" if wanted else "stopped" if by_click else "refused",
        "title": title,
        "does": words[key("does" if wanted else "did", purpose)],
        "stays": stays(others, words),
        "undone": False,
        "wishes_token": house.signer.name_token(LinkPurpose.PERSON, person.id),
    }


def _sender(session: Session, message: Message) -> str:
    ticket = session.get(Ticket, message.ticket_id) if message.ticket_id else None
    device = session.get(Device, ticket.device_id) if ticket else None
    return sender_of(session, session.get(Product, device.product) if device and device.product else None)
