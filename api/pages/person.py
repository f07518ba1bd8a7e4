"""A person's own page behind a signed link: what they want to hear, where and when. GET shows, POST acts."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import guard
from api.pages.rendering import page
from api.routes.raw import FormFields
from api.services import House
from api.views.person_words import LANGUAGES
from api.views.phrases import first_upper, said
from domain.errors import NotFound, SourceError
from domain.links import LinkSigner, Purpose
from domain.messages import Channel, MessageStage, RecipientKind
from domain.messages import Purpose as About
from domain.tickets import OPEN_STATES, Announce, TicketCause
from store import contacts, ownership, people, timeline
from store.briefs import HOUSE_NAME, sender_of
from store.tables import Customer, Device, Message, Product, Ticket
from store.wishes import ASKED, Wishes, grant
from tickets import service

router = APIRouter()

_WHOSE = {"en": "Whose device is it?", "fr": "À qui est cet appareil ?"}
_QUIET = ("21:00", "08:00")


@router.get("/p/{token}")
def show(
    token: str, request: Request, house: House, lang: Annotated[str, Query(max_length=5)] = "", saved: str = ""
) -> Response:
    """What is so now. Looking changes nothing."""
    now = house.clock.now()
    with house.database.read() as session:
        customer = _customer(session, house.signer, token)
        language = lang if lang in LANGUAGES else customer.language if customer.language in LANGUAGES else "en"
        context = _context(session, house.signer, customer, language=language, now=now)
    return page(
        request,
        "person.html",
        token=house.signer.name_token(Purpose.PERSON, customer.id),
        saved=bool(saved),
        language=language,
        other="en" if language == "fr" else "fr",
        w=LANGUAGES[language],
        **context,
    )


@router.post("/p/{token}/wishes", dependencies=[Depends(guard.same_origin)])
def wish(token: str, fields: FormFields, house: House) -> Response:
    """All of the form at once."""
    with house.database.write() as session:
        customer = _customer(session, house.signer, token)
        zone = ZoneInfo(people.customer(session, customer.id).timezone)
        grant(session, customer, _wishes(fields, zone), now=house.clock.now())
        return _back(house, customer)


@router.post("/p/{token}/not-mine", dependencies=[Depends(guard.same_origin)])
def not_mine(token: str, fields: FormFields, house: House) -> Response:
    """A device is not theirs; whoever is at the desk asks whose it is."""
    now = house.clock.now()
    with house.database.write() as session:
        customer = _customer(session, house.signer, token)
        device_id = fields.get("device", "")
        if device_id not in {device.id for device in contacts.devices_of(session, customer.id)}:
            raise NotFound("device", device_id)
        ownership.disown(session, device_id=device_id, customer_id=customer.id, source="page", now=now)
        actor = f"customer:{customer.id}"
        tickets = _open_tickets(session, device_id) or [_ask_whose(session, device_id, customer, now=now)]
        who = {"caller_name": customer.name, "caller": customer.phone} if customer.phone else {}
        reason = f"{customer.name} says that {device_id} is not theirs"
        for ticket in tickets:
            timeline.note(session, ticket.id, "disowned", at=now, actor=actor, reason=reason)
            house.hand_on(
                session,
                [Announce(ticket.id, MessageStage.CALL_WANTED, f"not-mine-{customer.id}", {"reason": reason, **who})],
                now=now,
            )
        return _back(house, customer)


@router.post("/p/{token}/mine", dependencies=[Depends(guard.same_origin)])
def mine(token: str, fields: FormFields, house: House) -> Response:
    """It is theirs after all."""
    with house.database.write() as session:
        customer = _customer(session, house.signer, token)
        ownership.own_again(session, device_id=fields.get("device", ""), customer_id=customer.id)
        return _back(house, customer)


def _back(house: House, customer: Customer) -> Response:
    token = house.signer.name_token(Purpose.PERSON, customer.id)
    return RedirectResponse(f"/p/{token}?saved=1", status_code=303)


def _customer(session: Session, signer: LinkSigner, token: str) -> Customer:
    name = signer.open_name(Purpose.PERSON, token)
    customer = session.get(Customer, name)
    if customer is None:
        raise NotFound("customer", name)
    return customer


def _wishes(fields: FormFields, zone: ZoneInfo) -> Wishes:
    wanted = {(channel, about) for channel in Channel for about in About if f"{channel}.{about}" in fields}
    language = fields.get("language", "en")
    if language not in LANGUAGES:
        raise SourceError(f"{language!r} is not a language that we speak", key="language")
    return Wishes(
        language=language,
        wanted=wanted,
        quiet=None if "any_hour" in fields else (_hour(fields, "from"), _hour(fields, "to")),
        sundays="sundays" in fields,
        digest="digest" in fields,
        away_until=_end_of(fields.get("away_until", ""), zone),
    )


def _hour(fields: FormFields, key: str) -> str:
    try:
        return time.fromisoformat(fields.get(key, "")).strftime("%H:%M")
    except ValueError as exc:
        raise SourceError(f"{fields.get(key)!r} is not a time of day", cure="write it like 21:00", key=key) from exc


def _end_of(day: str, zone: ZoneInfo) -> datetime | None:
    """Back in the morning of the day after."""
    if not day:
        return None
    try:
        return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(0), tzinfo=zone)
    except (ValueError, OverflowError) as exc:
        raise SourceError(f"{day!r} is not a day", cure="write it like 2026-08-15", key="away_until") from exc


def _context(
    session: Session, signer: LinkSigner, customer: Customer, *, language: str, now: datetime
) -> dict[str, Any]:
    person = people.customer(session, customer.id)
    zone = ZoneInfo(person.timezone)
    devices = contacts.devices_of(session, customer.id)
    products = {device.id: session.get(Product, device.product) if device.product else None for device in devices}
    away = customer.away_until if customer.away_until and customer.away_until > now else None
    senders = {sender_of(session, product) for product in products.values()}
    return {
        "sender": senders.pop() if len(senders) == 1 else HOUSE_NAME,
        "asked": ASKED,
        "channels": [
            (channel, [(about, not person.refuses(channel, about)) for about in ASKED]) for channel in person.reached_by
        ],
        "quiet": (customer.quiet_from, customer.quiet_to) if customer.quiet_from and customer.quiet_to else None,
        "usual_quiet": _QUIET,
        "sundays": customer.quiet_sundays,
        "digest": customer.digest == "daily",
        "away": (away.astimezone(zone) - timedelta(days=1)).date().isoformat() if away else "",
        "today": now.astimezone(zone).date().isoformat(),
        "devices": [(device, _name(products[device.id], device, language)) for device in devices],
        "others": [
            (device, _name(session.get(Product, device.product) if device.product else None, device, language))
            for device in contacts.disowned_of(session, customer.id)
        ],
        "cases": _cases(session, signer, customer, language=language),
    }


def _name(product: Product | None, device: Device, language: str) -> str:
    return first_upper(said((product.noun or product.title) if product else {}, language, default=device.id))


def _cases(session: Session, signer: LinkSigner, customer: Customer, *, language: str) -> list[tuple[str, str]]:
    """Open tickets that they were told of, or are to be: what each is about, and its page."""
    told = select(Message.ticket_id).where(
        Message.recipient_kind == RecipientKind.CUSTOMER, Message.recipient_id == customer.id
    )
    query = select(Ticket).where(Ticket.id.in_(told), Ticket.state.in_(OPEN_STATES), Ticket.agents_only.is_(False))
    not_theirs = ownership.disowned(session, customer.id)
    return [
        (said(ticket.title, language, default=ticket.family), signer.link(Purpose.CUSTOMER, ticket.id))
        for ticket in session.scalars(query.order_by(Ticket.id.desc()))
        if ticket.device_id not in not_theirs
    ]


def _ask_whose(session: Session, device_id: str, customer: Customer, *, now: datetime) -> Ticket:
    """A ticket for the desk where none is open: somebody has to find out."""
    number, _ = service.open_by_hand(
        session,
        device_id=device_id,
        customer_id=customer.id,
        title=_WHOSE,
        cause=TicketCause.CUSTOMER,
        family="ownership",
        actor=f"customer:{customer.id}",
        now=now,
    )
    return session.get_one(Ticket, number)


def _open_tickets(session: Session, device_id: str) -> list[Ticket]:
    query = select(Ticket).where(Ticket.device_id == device_id, Ticket.state.in_(OPEN_STATES))
    return list(session.scalars(query.order_by(Ticket.id)))
