"""Where the mail system hands us what came to our mailbox; signed, and refused otherwise (fail closed)."""

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from api import mail
from api.routes.raw import RawBytes
from api.services import House
from domain import signatures
from domain.errors import Forbidden
from notify.received_mail import read


def signed(request: Request, body: RawBytes, house: House) -> bytes:
    """The mail of a call that is signed with our secret. Raises Forbidden for any other."""
    if house.mail_hook_key is None:
        raise Forbidden("PREVENANT_MAIL_HOOK_SECRET is not set here, so nothing can be believed")
    # Real time: a signature is about machines, not about the simulated day.
    signatures.check(house.mail_hook_key, request.headers, body, now_s=time.time())
    return body


router = APIRouter(prefix="/hooks/email", tags=["hooks"])


_TAKES_MAIL = {"requestBody": {"required": True, "content": {"message/rfc822": {"schema": {"type": "string"}}}}}


@router.post(
    "/inbound",
    summary="A mail that came to our mailbox, as it is (RFC 5322)",
    status_code=204,
    openapi_extra=_TAKES_MAIL,
)
def inbound(raw: Annotated[bytes, Depends(signed)], house: House) -> None:
    """The same mail twice counts once."""
    received, now = read(raw), house.clock.now()
    with house.database.write() as session:
        house.hand_on(session, mail.take(session, received, signer=house.signer, now=now), now=now)
