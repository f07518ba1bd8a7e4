"""Notifications of a customer's browser: its worker, and the subscription that a tap hands to us."""

from pathlib import Path

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field, HttpUrl

from api import guard
from api.errors import Gone
from api.services import House
from domain.errors import NotFound, SourceError
from domain.links import Purpose
from domain.messages import Channel, RecipientKind
from store import consent
from store.contacts import others_have_its_link
from store.tables import Customer, Ticket

router = APIRouter()
WORKER = Path(__file__).resolve().parent.parent / "static" / "push-worker.js"


PUSH_SERVICES = ("fcm.googleapis.com", "push.services.mozilla.com", "notify.windows.com", "push.apple.com")
"""Of the four browser makers. Whoever holds a link could otherwise make us post to any host in our own network."""


class Keys(BaseModel):
    """Of one browser (RFC 8291): its public key and the shared secret, base64url."""

    p256dh: str = Field(min_length=80, max_length=100, pattern=r"^[A-Za-z0-9_-]+=*$")
    auth: str = Field(min_length=20, max_length=28, pattern=r"^[A-Za-z0-9_-]+=*$")


class Subscription(BaseModel):
    """What `PushSubscription.toJSON()` gives."""

    endpoint: HttpUrl
    keys: Keys


@router.get("/push-worker.js")
def worker() -> Response:
    """At the root, since a worker looks after what lies below its own address."""
    return Response(WORKER.read_bytes(), media_type="text/javascript")


@router.post("/c/{token}/push", dependencies=[Depends(guard.same_origin)], status_code=204)
def subscribe(token: str, subscription: Subscription, house: House) -> None:
    """This browser from now on, first of the person's channels; the newest browser counts."""
    if not house.push_key:
        raise Gone("notifications are not set up here")
    if not _of_a_push_service(subscription.endpoint.host or ""):
        raise SourceError(
            f"{subscription.endpoint.host} is no push service that we know",
            cure="use Chrome, Edge, Firefox or Safari",
            key="endpoint",
        )
    number = house.signer.open(Purpose.CUSTOMER, token)
    now = house.clock.now()
    with house.database.write() as session:
        ticket = session.get(Ticket, number)
        customer = session.get(Customer, ticket.customer_id) if ticket and ticket.customer_id else None
        if ticket is None or customer is None:
            raise NotFound("customer", token)
        if others_have_its_link(session, ticket):
            raise Gone("this link is not one person's alone")
        customer.push = subscription.model_dump_json()
        customer.channels = [Channel.PUSH, *(one for one in customer.channels if one != Channel.PUSH)]
        consent.record(
            session,
            RecipientKind.CUSTOMER,
            customer.id,
            channels=[Channel.PUSH],
            granted=True,
            source=consent.Source.PAGE,
            actor=f"customer:{customer.id}",
            evidence="allowed notifications in a browser",
            now=now,
        )


def _of_a_push_service(host: str) -> bool:
    return any(host == known or host.endswith(f".{known}") for known in PUSH_SERVICES)
