"""Standard Webhooks signatures (https://www.standardwebhooks.com), over bytes: a mail need not be UTF-8, which the
scheme's own library wants. What is signed is the id, the moment and the body, so that nothing can be replayed later.
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import sha256

from domain.errors import ConfigError, Forbidden

PREFIX = "whsec_"
TOLERANCE_S = 300.0
MIN_KEY_BYTES = 16


def key_of(secret: str, *, setting: str) -> bytes:
    """The key in `whsec_BASE64`. Raises ConfigError, naming `setting`."""
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        key = b""
    if len(key) < MIN_KEY_BYTES:
        raise ConfigError(f'{setting} is no secret; make one with: echo "{PREFIX}$(openssl rand -base64 32)"')
    return key


def signed_headers(key: bytes, *, id: str, at_s: int, body: bytes) -> dict[str, str]:  # noqa: A002 - the scheme's name
    """The headers that go with `body`; `at_s` is epoch seconds."""
    return {"webhook-id": id, "webhook-timestamp": str(at_s), "webhook-signature": f"v1,{_mac(key, id, at_s, body)}"}


def check(key: bytes, headers: Mapping[str, str], body: bytes, *, now_s: float) -> None:
    """Raises Forbidden unless one of the signatures is ours and about now. `headers` in lower case."""
    id_, stamp, signatures = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not id_ or not (stamp.isascii() and stamp.isdigit()) or len(stamp) > 12:
        raise Forbidden("the call is not signed")
    if abs(now_s - int(stamp)) > TOLERANCE_S:
        raise Forbidden("the signature is too old, or from the future")
    wanted = f"v1,{_mac(key, id_, int(stamp), body)}".encode()
    # All are compared, whichever fits: how long it takes says nothing.
    if not any([hmac.compare_digest(one.encode(), wanted) for one in signatures.split(" ")]):  # noqa: C419
        raise Forbidden("the signature does not fit")


def _mac(key: bytes, id_: str, at_s: int, body: bytes) -> str:
    return b64encode(hmac.new(key, f"{id_}.{at_s}.".encode() + body, sha256).digest()).decode()
