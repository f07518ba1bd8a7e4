"""What Twilio tells us: receipts, replies and calls. Every call is signed; one that is not is refused (fail closed)."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import calls
from api.inbound import receive
from api.routes.raw import FormFields
from api.services import House
from domain.errors import Forbidden
from domain.messages import Channel, ReplyIntent
from notify.channels.reference import message_id
from notify.channels.twilio_client import PROVIDER, signature_ok
from notify.channels.twilio_twiml import TWIML
from notify.channels.twilio_whatsapp import PREFIX
from notify.opting_out import confirmed_by_carrier
from notify.receipts import receipt_of
from store import pictures, receipts
from store.pictures import Picture
from store.tables import Message

EMPTY_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'

_OPTED = {"stop": ReplyIntent.STOP, "start": ReplyIntent.START, "help": ReplyIntent.HELP}

log = structlog.get_logger()


def signed(request: Request, fields: FormFields, house: House) -> dict[str, str]:
    """The fields of a call that Twilio signed, as we are known from outside. Raises Forbidden for any other."""
    if not house.twilio_auth_token:
        raise Forbidden("no provider is set up here, so nothing can be believed")
    url = house.public_url.rstrip("/") + request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if not signature_ok(house.twilio_auth_token, url, fields, request.headers.get("x-twilio-signature", "")):
        raise Forbidden("the signature does not fit")
    return fields


Signed = Annotated[dict[str, str], Depends(signed)]

router = APIRouter(prefix="/hooks/twilio", tags=["hooks"])


@router.post("/status", summary="What became of a message", status_code=204)
def status(fields: Signed, house: House, query_message: Annotated[str, Query(alias="message")] = "") -> None:
    """Receipts come in any order and more than once; only one that goes further counts."""
    receipt = receipt_of(fields)
    if receipt is None:
        return
    with house.database.write() as session:
        named = message_id(query_message)
        receipts.receipt(session, receipt, now=house.clock.now(), message_id=named, provider=PROVIDER)


@router.post("/inbound", summary="What somebody wrote", response_class=Response)
def inbound(fields: Signed, house: House) -> Response:
    """Twilio confirms STOP, START and HELP by itself: with Advanced Opt-Out it says so, else its default words tell."""
    now = house.clock.now()
    sender, text = fields.get("From", ""), fields.get("Body", "")
    channel = Channel.WHATSAPP if sender.startswith(PREFIX) else Channel.SMS
    opted = fields.get("OptOutType", "").lower()
    with house.database.write() as session:
        effects = receive(
            session,
            channel=channel,
            address=sender.removeprefix(PREFIX),
            text=text,
            provider_id=fields.get("MessageSid") or fields.get("SmsSid", ""),
            intent=_OPTED.get(opted),
            reply_to=_answered(session, fields.get("OriginalRepliedMessageSid", "")),
            attachments=_media(fields),
            confirmed=opted in _OPTED or (channel is Channel.SMS and confirmed_by_carrier(text)),
            now=now,
        )
        house.hand_on(session, effects, now=now)
    return Response(EMPTY_TWIML, media_type=TWIML)


def _media(fields: dict[str, str]) -> list[Picture]:
    """What is attached: it stays with Twilio until it is fetched, for nobody waits for the network in here."""
    count = fields.get("NumMedia", "")
    places = range(min(int(count), pictures.MAX_EACH + 1)) if count.isdigit() else ()
    return [Picture(source=url) for place in places if (url := fields.get(f"MediaUrl{place}"))]


def _answered(session: Session, provider_id: str) -> int | None:
    """Our message that somebody answers by pointing at it, on WhatsApp."""
    if not provider_id:
        return None
    return session.scalar(select(Message.id).where(Message.provider_id == provider_id))


@router.post("/voice", summary="What somebody does on the telephone", response_class=Response)
def voice(fields: Signed, house: House, query_message: Annotated[str, Query(alias="message")] = "") -> Response:
    """The first request of an incoming call, and every key pressed in any call; the same one twice counts once."""
    now = house.clock.now()
    with house.database.write() as session:
        twiml, effects = calls.on_call(session, house, fields, reference=query_message, now=now)
        house.hand_on(session, effects, now=now)
    return Response(twiml, media_type=TWIML)
