"""The customer's page behind a signed link: GET shows, POST acts."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import guard
from api.errors import Gone
from api.ids import PathId
from api.inbound import receive
from api.pages.evidence import evidence_of, svg
from api.pages.rendering import page
from api.pictures import served
from api.routes.raw import FormFields, FormFiles, Upload
from api.services import House
from api.situation import facts_of
from api.views import customer_log, customer_story, times
from api.views.customer_words import LANGUAGES
from api.views.phrases import said
from api.views.thread import for_person
from domain.errors import NotFound, SourceError
from domain.links import Purpose
from domain.messages import RecipientKind, ReplyIntent
from domain.tickets import TicketState
from store import threads, timeline
from store.briefs import sender_of
from store.contacts import others_have_its_link
from store.people import wanted_channels
from store.pictures import Picture
from store.tables import (
    Attachment,
    Customer,
    Device,
    Fault,
    Inbound,
    Product,
    Technician,
    Ticket,
)

router = APIRouter()

INTENTS = {
    "ack": ReplyIntent.ACKNOWLEDGED,
    "fixed": ReplyIntent.FIXED,
    "send": ReplyIntent.SEND_SOMEONE,
    "call": ReplyIntent.CALL_ME,
    "false-alarm": ReplyIntent.FALSE_ALARM,
    "stop": ReplyIntent.STOP,
}
WRITE = "write"
_PERSONAL = frozenset({WRITE, "stop"})
"""What is not done on a page that others have the link of: it would count as the owner's own word."""
LONGEST = 2000
OPENS_AFTER_END = timedelta(days=30)
"""So long after its ticket ended, a link still opens; as long as a relapse reopens it."""


@router.get("/c/{token}")
def show(
    token: str, request: Request, house: House, lang: Annotated[str, Query(max_length=5)] = "", thanks: str = ""
) -> Response:
    """The ticket as its customer sees it. Looking changes nothing."""
    number = house.signer.open(Purpose.CUSTOMER, token)
    now = house.clock.now()
    with house.database.read() as session:
        ticket = _ticket(session, number, now=now)
        customer = session.get(Customer, ticket.customer_id) if ticket.customer_id else None
        device = session.get(Device, ticket.device_id)
        language = lang if lang in LANGUAGES else customer.language if customer else "en"
        zone = times.zone_of(customer.timezone if customer else None, device.timezone if device else None)
        fault = session.scalars(select(Fault).where(Fault.ticket_id == number).order_by(Fault.id.desc())).first()
        evidence = evidence_of(session, fault, now=now, language=language) if fault else None
        context = _context(session, ticket, customer, device, token=token, language=language, zone=zone, now=now)
    chart = svg(house, evidence, zone=zone, now=now, language=language) if evidence else None
    return page(
        request,
        "customer.html",
        part="parts/customer.html",
        push_key=house.push_key if context["alone"] else "",
        chart=chart,
        chart_title=evidence.title if evidence else "",
        token=token,
        once=uuid4().hex,
        thanks=bool(thanks),
        person_token=house.signer.name_token(Purpose.PERSON, customer.id) if customer else "",
        **context,
    )


@router.get("/c/{token}/ack")
def show_seen(token: str) -> Response:
    """The link in a message by which one says "seen": mail scanners follow it too, so a button on the page acts."""
    return RedirectResponse(f"/c/{token}#ack", status_code=303)


def _context(
    session: Session,
    ticket: Ticket,
    customer: Customer | None,
    device: Device | None,
    *,
    token: str,
    language: str,
    zone: ZoneInfo,
    now: datetime,
) -> dict[str, Any]:
    product = session.get(Product, device.product) if device and device.product else None
    facts = facts_of(session, ticket, customer, product)
    alone = not others_have_its_link(session, ticket)
    noun = said(facts.noun, language, default="appareil" if language == "fr" else "device")
    technicians = {row.id: row.name for row in session.scalars(select(Technician))}
    log = customer_log.so_far(
        timeline.of_ticket(session, ticket.id), language=language, noun=noun, technicians=technicians
    )
    return {
        "language": language,
        "other": "en" if language == "fr" else "fr",
        "w": LANGUAGES[language],
        "noun": noun,
        "sender": sender_of(session, product),
        "story": customer_story.tell(facts, language=language, zone=zone, now=now),
        "talked": for_person(
            (said for _, said in _thread(session, ticket)),
            zone=zone,
            now=now,
            language=language,
            pictures_at=f"/c/{token}/pictures",
        ),
        "log": [(times.at(step.at, zone, now=now, language=language), step) for step in log],
        "alone": alone,
        "writing": _writing(session, customer, language) if alone else "",
        "can_stop": bool(customer and wanted_channels(session, customer)),
        "has_customer": customer is not None,
    }


@router.get("/c/{token}/pictures/{picture_id}")
def picture(token: str, picture_id: PathId, house: House) -> Response:
    """What they sent about this ticket."""
    number = house.signer.open(Purpose.CUSTOMER, token)
    with house.database.read() as session:
        ticket = _ticket(session, number, now=house.clock.now())
        found = session.get(Attachment, picture_id)
        inbound = session.get(Inbound, found.inbound_id) if found else None
        theirs = inbound is not None and inbound.ticket_id == number and inbound.recipient_id == ticket.customer_id
        return served(found if theirs and not others_have_its_link(session, ticket) else None, picture_id)


@router.post("/c/{token}/{action}", dependencies=[Depends(guard.same_origin)])
def act(token: str, action: str, fields: FormFields, files: FormFiles, house: House) -> Response:
    """One tap of the customer, or their own words; the same form sent twice counts once."""
    number = house.signer.open(Purpose.CUSTOMER, token)
    intent = INTENTS.get(action)
    if intent is None and action != WRITE:
        raise NotFound("action", action)
    written, pictures = _written(fields, files) if action == WRITE else ("", [])
    now = house.clock.now()
    with house.database.write() as session:
        ticket = _ticket(session, number, now=now)
        customer = session.get(Customer, ticket.customer_id) if ticket.customer_id else None
        if customer is None:
            raise NotFound("customer", ticket.customer_id)
        if action in _PERSONAL and others_have_its_link(session, ticket):
            raise NotFound("action", action)
        once = fields.get("once") or uuid4().hex
        if not once.isalnum() or len(once) > 64:
            raise SourceError("this form is not one of ours", key="once")
        effects = receive(
            session,
            channel="web",
            text=written
            if action == WRITE
            else LANGUAGES[customer.language if customer.language in LANGUAGES else "en"].get(action, action),
            attachments=pictures,
            provider_id=f"web-{number}-{once}",
            person=customer,
            ticket_id=number,
            intent=intent,
            now=now,
        )
        house.hand_on(session, effects, now=now)
    lang = fields.get("lang", "")
    keep = f"&lang={lang}" if lang in LANGUAGES else ""
    return RedirectResponse(f"/c/{token}?thanks=1{keep}", status_code=303)


def _written(fields: Mapping[str, str], files: Sequence[Upload]) -> tuple[str, list[Picture]]:
    """Raises SourceError for an empty form, and for more words than anybody reads."""
    text = fields.get("text", "").strip()
    if not text and not files:
        raise SourceError("there are no words and no photo", cure="write something, or add a photo", key="text")
    if len(text) > LONGEST:
        raise SourceError(f"the text has {len(text)} characters", cure=f"at most {LONGEST} are read", key="text")
    return text, [Picture(file.content, name=file.name) for file in files]


def _thread(session: Session, ticket: Ticket) -> Sequence[tuple[threads.Place, threads.Said]]:
    """What was said about this ticket alone: whoever has its link sees no other."""
    if ticket.customer_id is None:
        return []
    return threads.of_person(session, RecipientKind.CUSTOMER, ticket.customer_id, ticket_id=ticket.id)


def _ticket(session: Session, number: int, *, now: datetime) -> Ticket:
    """The ticket that a link opens. Raises NotFound, and Gone once it has been over for so long."""
    ticket = session.get(Ticket, number)
    if ticket is None:
        raise NotFound("ticket", number)
    over = ticket.closed_at if ticket.state in {TicketState.CLOSED, TicketState.CANCELLED} else None
    if over is not None and now - over > OPENS_AFTER_END:
        raise Gone("this ticket is over")
    return ticket


def _writing(session: Session, customer: Customer | None, language: str) -> str:
    words = LANGUAGES[language]
    if customer is None:
        return ""
    channels = [words.get(name, name) for name in wanted_channels(session, customer)]
    if not channels:
        return words["writing_none"]
    quiet = ""
    if customer.quiet_from and customer.quiet_to:
        quiet = words["writing_quiet"].format(start=customer.quiet_from, end=customer.quiet_to)
    return words["writing_how"].format(channels=words["or_then"].join(channels), quiet=quiet)
