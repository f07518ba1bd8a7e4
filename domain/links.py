"""Signed links for people without a login: short enough for an SMS, single-purpose, and dead once their thing is over.

A token is `<id in base 36>.<72 bits of HMAC-SHA256 over purpose and id>`. Expiry is not in the token: the page asks
whether the ticket or visit still admits it. Tokens that travel in mail addresses (80 bits) are of small letters and
digits alone, for some servers lose the case of an address.
"""

import hmac
from base64 import b32encode, urlsafe_b64encode
from enum import StrEnum
from hashlib import sha256
from urllib.parse import quote

from domain.errors import Forbidden

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Purpose(StrEnum):
    """What a link opens; the letter is also the first part of its path."""

    CUSTOMER = "c"
    """A ticket, for its customer."""
    VISIT = "v"
    """A visit, for its technician."""
    UNSUBSCRIBE = "u"
    """A message, for its recipient, who refuses messages of its kind on its channel."""
    REPLY = "r"
    """A message, for an answer to it by mail."""
    BOUNCE = "b"
    """A message, for word from the mail system of what became of it."""
    PERSON = "p"
    """A person's own page. It opens as long as there is that person."""


_IN_ADDRESSES = frozenset({Purpose.UNSUBSCRIBE, Purpose.REPLY, Purpose.BOUNCE})


class LinkSigner:
    """Makes and checks links below `public_url`."""

    def __init__(self, key: bytes, public_url: str) -> None:
        self._key, self._public_url = key, public_url.rstrip("/")

    def link(self, purpose: Purpose, number: int) -> str:
        """The whole link."""
        return f"{self._public_url}/{purpose}/{self.token(purpose, number)}"

    def link_to(self, purpose: Purpose, name: str) -> str:
        """The whole link to a thing whose id is not a number."""
        return f"{self._public_url}/{purpose}/{self.name_token(purpose, name)}"

    def name_token(self, purpose: Purpose, name: str) -> str:
        """Its last part."""
        return f"{quote(name, safe='')}.{self._mac(purpose, name)}"

    def open_name(self, purpose: Purpose, token: str) -> str:
        """The id that such a token, as the server has unquoted it, opens. Raises Forbidden for any other token."""
        name, _, mac = token.rpartition(".")
        if not hmac.compare_digest(mac.encode(errors="replace"), self._mac(purpose, name).encode()):
            raise Forbidden("this link is not one of ours")
        return name

    def page(self, path: str) -> str:
        """An unsigned address, for people who log in."""
        return f"{self._public_url}/{path.lstrip('/')}"

    def token(self, purpose: Purpose, number: int) -> str:
        """Its last part."""
        return f"{_base36(number)}.{self._mac(purpose, number)}"

    def open(self, purpose: Purpose, token: str) -> int:
        """The id that a token opens. Raises Forbidden for any other token."""
        head, _, mac = (token.lower() if purpose in _IN_ADDRESSES else token).partition(".")
        try:
            number = int(head, 36)
        except ValueError as exc:
            raise Forbidden("this link is not one of ours") from exc
        # Bytes, since comparing text other than ASCII is an error; an address may hold anything, lone surrogates too.
        genuine = hmac.compare_digest(mac.encode(errors="replace"), self._mac(purpose, number).encode())
        if not genuine or head != _base36(number):
            raise Forbidden("this link is not one of ours")
        return number

    def _mac(self, purpose: Purpose, key: int | str) -> str:
        digest = hmac.new(self._key, f"{purpose}:{key}".encode(errors="replace"), sha256).digest()
        if purpose in _IN_ADDRESSES:
            return b32encode(digest[:10]).decode().lower()
        return urlsafe_b64encode(digest[:9]).decode()


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if not number:
            return digits
