"""Pictures that came by Twilio: fetched with our account from where it keeps them, and from nowhere else.

The address comes in a signed call, and is still not followed blindly: only to Twilio's own host, by https, and from
there only to where it stores media, without our account's name
(https://www.twilio.com/docs/messaging/api/media-resource).
"""

from typing import Protocol
from urllib.parse import urljoin, urlsplit

import requests
from requests.exceptions import RequestException

from domain.errors import DeliveryError
from domain.messages import Refusal, Retry

HOST = "api.twilio.com"
STORES = ("twiliocdn.com", "amazonaws.com")
"""Where its answer sends us on to, or any host below."""
TIMEOUT_S = 10.0
HOPS = 3


class MediaFetcher(Protocol):
    """What the keeper of pictures asks of a provider."""

    def fetch(self, source: str, *, max_bytes: int) -> bytes:
        """The picture; what is larger comes one byte too long. Raises DeliveryError."""
        ...


class TwilioMedia:
    """Fetches with the account's name and secret."""

    def __init__(self, sid: str, auth_token: str, *, base_url: str = "", timeout_s: float = TIMEOUT_S) -> None:
        """`base_url`: another host that speaks Twilio's API; then only that one is asked."""
        self._account = (sid, auth_token)
        self._base = urlsplit(base_url) if base_url else None
        self._timeout_s = timeout_s

    def fetch(self, source: str, *, max_bytes: int) -> bytes:
        if not self._is_ours(source):
            raise DeliveryError(Refusal.REJECTED, retry=Retry.NEVER, detail="it is not kept at our provider")
        try:
            with requests.Session() as session:
                # No proxy, and no password of a .netrc: only what we say.
                session.trust_env = False
                return self._follow(session, source, max_bytes=max_bytes)
        except RequestException as exc:
            raise DeliveryError(Refusal.UNREACHABLE, retry=Retry.SAFE, detail=type(exc).__name__) from exc

    def _follow(self, session: requests.Session, url: str, *, max_bytes: int) -> bytes:
        for hop in range(HOPS):
            account = self._account if hop == 0 else None
            asked = session.get(url, auth=account, timeout=self._timeout_s, stream=True, allow_redirects=False)
            with asked as answer:
                if not answer.is_redirect:
                    return _content(answer, max_bytes=max_bytes)
                url = urljoin(url, answer.headers["Location"])
            if not self._may_follow(url):
                detail = "the provider sent us on to a place that is not its own"
                raise DeliveryError(Refusal.REJECTED, retry=Retry.NEVER, detail=detail)
        raise DeliveryError(Refusal.REJECTED, retry=Retry.NEVER, detail="the provider sent us on too often")

    def _is_ours(self, url: str) -> bool:
        there = urlsplit(url)
        if self._base is not None:
            return (there.scheme, there.netloc) == (self._base.scheme, self._base.netloc)
        return there.scheme == "https" and there.netloc == HOST

    def _may_follow(self, url: str) -> bool:
        there = urlsplit(url)
        if self._base is not None:
            return self._is_ours(url)
        host = there.hostname or ""
        stored = any(host == store or host.endswith(f".{store}") for store in STORES)
        return there.scheme == "https" and there.port in {None, 443} and (stored or host == HOST)


def _content(answer: requests.Response, *, max_bytes: int) -> bytes:
    if answer.status_code == 404:
        raise DeliveryError(Refusal.REJECTED, retry=Retry.NEVER, detail="the provider has it no more")
    if answer.status_code != 200:
        raise DeliveryError(Refusal.UNREACHABLE, retry=Retry.SAFE, detail=f"the provider answered {answer.status_code}")
    found = bytearray()
    for piece in answer.iter_content(65536):
        found += piece
        if len(found) > max_bytes:
            break
    return bytes(found[: max_bytes + 1])
