"""`prevenant mail-in`: the mail system pipes a mail in, and it goes to the service's hook, signed.

Exit codes are those of sysexits.h, which mail systems understand: whatever may pass is EX_TEMPFAIL, so that the mail
waits in their queue and is handed in again.
"""

import time
from hashlib import sha256
from http import HTTPStatus
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from app.settings import Settings
from domain.signatures import key_of, signed_headers

OK, EX_DATAERR, EX_TEMPFAIL = 0, 65, 75
TIMEOUT_S = 30.0
HOOK = "/hooks/email/inbound"
SECRET = "PREVENANT_MAIL_HOOK_SECRET"  # noqa: S105 - the setting's name
_WILL_NEVER_DO = {HTTPStatus.REQUEST_ENTITY_TOO_LARGE}


def hand_in(settings: Settings, raw: bytes) -> tuple[int, str]:
    """Exit code, and what went wrong. Raises ConfigError without a secret."""
    key = key_of(settings.mail_hook_secret, setting=SECRET)
    headers = signed_headers(key, id=f"mail_{sha256(raw).hexdigest()[:32]}", at_s=int(time.time()), body=raw)
    request = Request(  # noqa: S310 - our own service
        settings.public + HOOK, data=raw, headers={"Content-Type": "message/rfc822", **headers}, method="POST"
    )
    try:
        with urlopen(request, timeout=TIMEOUT_S):  # noqa: S310 - our own service
            return OK, ""
    except HTTPError as exc:
        code = EX_DATAERR if exc.code in _WILL_NEVER_DO else EX_TEMPFAIL
        return code, f"{settings.public}{HOOK} answered {exc.code}"
    except (URLError, OSError) as exc:
        return EX_TEMPFAIL, f"{settings.public}{HOOK} cannot be reached: {exc}"
