"""The sandbox: everybody's phone and inbox on one page, and a way to answer as them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import parse_qsl
from uuid import uuid4
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import calls, guard
from api.inbound import receive
from api.pages.frame import admit, frame
from api.pages.rendering import page
from api.routes.raw import RawBytes
from api.senders import Person
from api.services import House, Services
from api.views import times
from domain.errors import NotFound
from domain.messages import Channel, RecipientKind
from notify.channels.twilio_twiml import script
from store.tables import Customer, Device, Inbound, Message, SandboxMessage, Technician

router = APIRouter()

KEPT = 60
"""Newest items of each phone."""
_WRITTEN: dict[str, str] = {Channel.SMS: "SMS", Channel.WHATSAPP: "WhatsApp"}
_LABELS = {
    "en": {"1": "heard", "2": "a visit", "9": "a person"},
    "fr": {"1": "entendu", "2": "une visite", "9": "une personne"},
}


@dataclass(frozen=True, slots=True)
class Bubble:
    """One thing in a conversation."""

    id: str
    kind: str
    """in | out | mail | call"""
    text: str
    subject: str
    when: str
    """Written above it where time has passed; empty right after the one before."""
    via: str = ""
    """Named where it is not what a phone does by default."""
    menu: str = ""
    """What a call asks."""
    keys: Sequence[tuple[str, str]] = ()
    """(key, label) of a call."""
    message_id: int | None = None


@dataclass(frozen=True, slots=True)
class Phone:
    """One person's phone and inbox."""

    key: str
    kind: str
    name: str
    initials: str
    about: str
    zone: str
    bubbles: Sequence[Bubble]
    answers: Sequence[tuple[str, str]]
    """(text to send, label)"""
    channels: Sequence[tuple[str, str]]
    newest: datetime | None


class ReplyIn(BaseModel):
    """An answer, as if it came from that person's phone."""

    person: str = Field(description="a customer's or technician's id")
    channel: Channel = Channel.SMS
    text: str = Field(min_length=1, max_length=1600, description="by voice: the key that is pressed")
    message: int | None = Field(None, description="the call in which it is pressed")


@router.get("/sandbox")
def sandbox(request: Request, house: House, who: Annotated[str, Query(max_length=20)] = "all") -> Response:
    """All phones, the one with the newest message first."""
    admit(request, house)
    with house.database.read() as session:
        found = phones(session, house, now=house.clock.now())
        busy = [phone for phone in found if phone.bubbles and who in {"all", phone.kind}]
        quiet = [phone for phone in found if not phone.bubbles]
        return page(
            request,
            "sandbox.html",
            part="parts/sandbox.html",
            frame=frame(request, session),
            phones=busy,
            quiet=quiet,
            who=who,
        )


@router.post("/sandbox/reply", include_in_schema=True, tags=["sandbox"], summary="Answer as a person would")
def reply(request: Request, body: RawBytes, house: House) -> Response:
    """JSON `{"person", "channel", "text"}`, or the same as a form from the page."""
    guard.admitted(request, house)
    said, is_form = _said(request, body)
    now = house.clock.now()
    with house.database.write() as session:
        person: Person | None = session.get(Customer, said.person) or session.get(Technician, said.person)
        if person is None:
            raise NotFound("person", said.person)
        once = f"sandbox-{uuid4().hex}"
        if said.channel is Channel.VOICE:
            effects = calls.pressed_alone(session, house, person, said.text, said.message, once=once, now=now)
        else:
            effects = receive(session, channel=said.channel, text=said.text, provider_id=once, person=person, now=now)
        house.hand_on(session, effects, now=now)
    if is_form:
        return RedirectResponse("/sandbox", status_code=303)
    return JSONResponse({"status": "received"}, status_code=202)


def _said(request: Request, body: bytes) -> tuple[ReplyIn, bool]:
    is_form = request.headers.get("content-type", "").split(";")[0].strip() == "application/x-www-form-urlencoded"
    try:
        if is_form:
            return ReplyIn.model_validate(dict(parse_qsl(body.decode("utf-8", "replace")))), True
        return ReplyIn.model_validate_json(body), False
    except ValidationError as exc:
        raise RequestValidationError([{**error, "loc": ("body", *error["loc"])} for error in exc.errors()]) from exc


def phones(session: Session, house: Services, *, now: datetime) -> list[Phone]:
    """Everybody's, newest first, those without a message last."""
    talks = _talks(session)
    owned: dict[str, list[str]] = {}
    for device in session.scalars(select(Device).where(Device.customer_id.is_not(None)).order_by(Device.id)):
        owned.setdefault(device.customer_id or "", []).append(device.id)
    found: list[Phone] = []
    for customer in session.scalars(select(Customer).order_by(Customer.name)):
        about = ", ".join(owned.get(customer.id, [])) or "no device"
        found.append(_phone(customer, about, talks, times.zone_of(customer.timezone, _zone_of(session, customer)), now))
    for technician in session.scalars(select(Technician).order_by(Technician.name)):
        about = ", ".join(technician.skills) or "technician"
        found.append(_phone(technician, about, talks, times.zone_of(technician.timezone), now))
    found.append(_dispatcher(house, talks, now))
    return sorted(found, key=lambda phone: (phone.newest is None, -(phone.newest.timestamp() if phone.newest else 0)))


@dataclass(frozen=True, slots=True)
class _Said:
    id: str
    at: datetime
    channel: str
    text: str
    subject: str = ""
    outgoing: bool = False
    message_id: int | None = None


Talks = dict[tuple[str, str], list[_Said]]


def _talks(session: Session) -> Talks:
    talks: Talks = {}
    sent = select(SandboxMessage, Message.recipient_kind, Message.recipient_id).join(
        Message, Message.id == SandboxMessage.message_id
    )
    for row, kind, person in session.execute(sent):
        sent_ = _Said(f"m{row.id}", row.at, row.channel, row.body, row.subject, message_id=row.message_id)
        talks.setdefault((kind, person), []).append(sent_)
    for heard in session.scalars(select(Inbound).where(Inbound.recipient_id.is_not(None))):
        key = (heard.recipient_kind or "", heard.recipient_id or "")
        talks.setdefault(key, []).append(_Said(f"i{heard.id}", heard.at, heard.channel, heard.body, outgoing=True))
    return talks


def _zone_of(session: Session, customer: Customer) -> str | None:
    return session.scalars(select(Device.timezone).where(Device.customer_id == customer.id).limit(1)).first()


def _phone(person: Person, about: str, talks: Talks, zone: ZoneInfo, now: datetime) -> Phone:
    kind = RecipientKind.CUSTOMER if isinstance(person, Customer) else RecipientKind.TECHNICIAN
    said = sorted(talks.get((kind, person.id), []), key=lambda one: (one.at, one.outgoing, one.id))[-KEPT:]
    french = person.language == "fr"
    labels = ("1 réglé", "2 quelqu'un", "3 rappel", "STOP") if french else ("1 fixed", "2 send", "3 call", "STOP")
    answers = list(zip(("1", "2", "3", "STOP"), labels, strict=True)) if kind is RecipientKind.CUSTOMER else []
    written = (one.channel for one in reversed(said) if not one.outgoing and one.channel in _WRITTEN)
    answer_on = next(written, Channel.SMS)
    channels = [(answer_on, _WRITTEN[answer_on])] * bool(person.phone) + [("email", "E-mail")] * bool(person.email)
    return Phone(
        key=person.id,
        kind=kind,
        name=person.name,
        initials="".join(part[0] for part in person.name.split()[:2]).upper(),
        about=about,
        zone=times.hour(now, zone),
        bubbles=_bubbles(said, zone, now, french=french),
        answers=answers,
        channels=channels,
        newest=said[-1].at if said else None,
    )


def _dispatcher(house: Services, talks: Talks, now: datetime) -> Phone:
    zone = times.zone_of(house.dispatcher.timezone)
    said = sorted(
        talks.get((RecipientKind.DISPATCHER, house.dispatcher.id), []), key=lambda one: (one.at, one.outgoing, one.id)
    )
    return Phone(
        key="dispatcher",
        kind=RecipientKind.DISPATCHER,
        name=house.dispatcher.name,
        initials="".join(part[0] for part in house.dispatcher.name.split()[:2]).upper(),
        about="runs the desk",
        zone=times.hour(now, zone),
        bubbles=_bubbles(said[-KEPT:], zone, now),
        answers=[],
        channels=[],
        newest=said[-1].at if said else None,
    )


def _bubbles(said: Iterable[_Said], zone: ZoneInfo, now: datetime, *, french: bool = False) -> list[Bubble]:
    bubbles: list[Bubble] = []
    before: datetime | None = None
    for one in said:
        gap = before is None or (one.at - before).total_seconds() > 300
        bubbles.append(_bubble(one, times.at(one.at, zone, now=now) if gap else "", french=french))
        before = one.at
    return bubbles


def _bubble(one: _Said, when: str, *, french: bool) -> Bubble:
    spoken, via = one.channel == Channel.VOICE, "WhatsApp" if one.channel == Channel.WHATSAPP else ""
    if one.outgoing:
        text = (f"pressed {one.text}" if one.text else "called us") if spoken else one.text
        return Bubble(one.id, "out", text, "", when, via)
    if spoken:
        words, labels = script(one.text), _LABELS["fr" if french else "en"]
        keys = [(key, labels[key]) for key in labels if key in words.menu]
        return Bubble(one.id, "call", words.message, "", when, menu=words.menu, keys=keys, message_id=one.message_id)
    kind = "mail" if one.channel == Channel.EMAIL else "in"
    return Bubble(one.id, kind, one.text, one.subject, when, via)
