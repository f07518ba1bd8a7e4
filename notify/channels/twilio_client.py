"""What text messages, WhatsApp and calls by Twilio share: its official SDK, errors, receipts and signatures.

Its create calls know no idempotency key, so each is made once and the retries are ours. What an error allows follows
the HTTP status first; Twilio's code refines it (https://www.twilio.com/docs/api/errors). After a 5xx or a lost answer
the message may have been taken.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from domain.errors import DeliveryError
from domain.messages import Channel, MessageState, Refusal, Retry
from domain.outbox import Pending, Receipt
from notify.channels.posting import never_connected, retry_after_s
from notify.receipts import TWILIO_REFUSALS, TWILIO_STATES

PROVIDER = "twilio"
TIMEOUT_S = 8.0
"""For connecting, and again for each read."""
VALIDITY_S = 1800
"""A fault message that waited longer in a carrier's queue is worse than none."""
LOOK_UP_AFTER_S = (5.0, 15.0, 40.0)
"""How fresh its lists are stands in no document, so they get about a minute."""
OUR_ACCOUNT_RETRY_S = 300.0
LISTED = 50
API_URL = "https://api.twilio.com"
CONNECTIONS = 80
"""Kept open: as many as threads that may send at once."""
CLOCKS_DIFFER = timedelta(minutes=5)
"""Between theirs, which counts whole seconds, and ours."""
RETRIED = "#rc=5&rp=all"
"""Asks Twilio to repeat a callback that fails, which it would not do by itself."""

_CODES: dict[int, tuple[Refusal, Retry]] = {
    **{int(code): (refusal, Retry.NEVER) for code, refusal in TWILIO_REFUSALS.items()},
    **dict.fromkeys((21211, 21214, 21217, 21612, 21614), (Refusal.BAD_ADDRESS, Retry.NEVER)),
    **dict.fromkeys((21210, 21212, 21215, 21216, 21408), (Refusal.MISCONFIGURED, Retry.NEVER)),
    **dict.fromkeys((21601, 21603, 21606, 21608, 21659, 63007), (Refusal.MISCONFIGURED, Retry.NEVER)),
    **dict.fromkeys((10004, 14107, 20429, 21611, 63018), (Refusal.RATE_LIMITED, Retry.SAFE)),
}


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """How we are known there. `sender` is a number, or for text messages a Messaging Service (MG…)."""

    sid: str
    auth_token: str
    sender: str
    base_url: str = ""
    """Another host that speaks Twilio's API."""


class TwilioClient:
    """One sender's line to Twilio. Whatever goes wrong on it is a DeliveryError that says what may be done next."""

    def __init__(self, account: TwilioAccount, *, status_callback: str = "", timeout_s: float = TIMEOUT_S) -> None:
        """`status_callback`: our public address for receipts, told to Twilio with each message."""
        self.sender, self._status_callback = account.sender, status_callback
        self.patience_s = 2 * timeout_s + 2
        self._http = _HttpClient(account.base_url, timeout_s=timeout_s)
        # An environment of our own: TWILIO_EDGE and TWILIO_REGION would silently send it elsewhere.
        client: Any = Client  # without types in the SDK
        self._client = client(
            account.sid,
            account.auth_token,
            http_client=self._http,
            environment={"TWILIO_EDGE": "", "TWILIO_REGION": ""},
        )

    def write(self, to: str, *, reference: str, origin: str = "", **fields: Any) -> Receipt:
        """Submit one message, once, from `origin` if there is one. `fields` are those of the create call."""
        own = {"messaging_service_sid" if self._is_service else "from_": self.sender}
        sender = {"from_": origin} if origin else own
        return self._submit(
            self._client.messages.create,
            to=to,
            validity_period=VALIDITY_S,
            **sender,
            **self._callback(reference),
            **fields,
        )

    def written(self, to: str, pending: Pending, *, lines: Iterable[str]) -> Receipt | None:
        """The message of `pending` among those listed: not another's, and with one of `lines` in it.

        What Twilio puts before the text on a trial account does not matter.
        """
        # A service picks one of its numbers, and a maker may change its own: those are found by their text alone.
        own = pending.channel is Channel.SMS and Channel.SMS in pending.brief.origins
        sender = {} if own or self._is_service else {"from_": self.sender}
        wanted = [line for line in map(_bare, lines) if line]
        for one in self._list(self._client.messages.list, to=to, **sender):
            body = _bare(one.body or "")
            if one.sid not in pending.taken and any(line in body for line in wanted):
                return _receipt(one)
        return None

    def call(self, to: str, *, reference: str, **fields: Any) -> Receipt:
        """Place one call, once. `fields` are those of the create call."""
        callback = self._callback(reference)
        if callback:
            callback["status_callback_event"] = ["initiated", "ringing", "answered", "completed"]
        return self._submit(self._client.calls.create, to=to, from_=self.sender, **callback, **fields)

    def called(self, to: str, pending: Pending) -> Receipt | None:
        """The call of `pending` among those listed: placed since it was planned, and not another message's.

        A call carries no text to know it by. Its status callbacks name the message, and mostly come first.
        """
        for one in self._list(self._client.calls.list, to=to, from_=self.sender):
            fresh = one.date_created is None or one.date_created >= pending.created_at - CLOCKS_DIFFER
            if fresh and one.direction == "outbound-api" and one.sid not in pending.taken:
                return _receipt(one)
        return None

    def fetch(self, provider_id: str) -> Receipt:
        """What became of a message or a call that Twilio took. Raises DeliveryError."""
        kept = self._client.calls if provider_id.startswith("CA") else self._client.messages
        try:
            return _receipt(kept(provider_id).fetch())
        except (TwilioException, RequestException, ValueError) as exc:
            raise DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP, detail=_detail(exc)) from exc

    def close(self) -> None:
        """Let go of the connections."""
        if self._http.session is not None:
            self._http.session.close()

    @property
    def _is_service(self) -> bool:
        return self.sender.startswith("MG")

    def _submit(self, create: Callable[..., Any], **fields: Any) -> Receipt:
        try:
            made = create(**fields)
        except (TwilioException, RequestException, ValueError) as exc:
            raise _delivery_error(exc, retry_after_s=self._http.retry_after_s) from exc
        return _receipt(made)

    def _list(self, listing: Callable[..., Any], **wanted: str) -> list[Any]:
        try:
            return list(listing(limit=LISTED, **wanted))
        except (TwilioException, RequestException, ValueError) as exc:
            raise DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP, detail=_detail(exc)) from exc

    def _callback(self, reference: str) -> dict[str, Any]:
        """With the message's name in it, a signed receipt tells the outcome even if this answer gets lost."""
        if not self._status_callback:
            return {}
        return {"status_callback": f"{self._status_callback}?{urlencode({'message': reference})}{RETRIED}"}


class _HttpClient(TwilioHttpClient):
    """Swaps the host where one is set, and keeps what the SDK's exceptions drop: Retry-After."""

    def __init__(self, base_url: str, *, timeout_s: float) -> None:
        self._last = threading.local()
        super().__init__(timeout=timeout_s, max_retries=None, logger=_wire_log())
        self._base = urlsplit(base_url)
        if self.session is not None:
            for scheme in ("http://", "https://"):
                self.session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))
            # What the environment says of proxies and certificates is read once, not for each message.
            found = self.session.merge_environment_settings(base_url or API_URL, {}, None, None, None)
            self.session.trust_env = False
            self.session.proxies, self.session.verify = dict(found["proxies"]), found["verify"]

    # The SDK leaves each answer in this attribute and then returns what stands there: with several threads on one
    # client, another message's answer. So each thread has an attribute of its own.
    @property
    def _test_only_last_response(self) -> Response | None:
        return getattr(self._last, "response", None)

    @_test_only_last_response.setter
    def _test_only_last_response(self, response: Response | None) -> None:
        self._last.response = response

    @property
    def retry_after_s(self) -> float | None:
        """Of the last answer in this thread."""
        return getattr(self._last, "retry_after_s", None)

    # The SDK's own class renames this argument of its base.
    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        self._last.retry_after_s = None
        if self._base.netloc:
            parts = urlsplit(url)
            url = urlunsplit((self._base.scheme, self._base.netloc, parts.path, parts.query, ""))
        response = super().request(method, url, *args, **kwargs)
        self._last.retry_after_s = retry_after_s((response.headers or {}).get("Retry-After", ""))
        return response


def _wire_log() -> logging.Logger:
    """The SDK would log numbers and texts."""
    quiet = logging.getLogger(f"{__name__}.wire")
    quiet.setLevel(logging.CRITICAL)
    return quiet


def signature_ok(auth_token: str, url: str, params: Mapping[str, str], signature: str) -> bool:
    """Whether Twilio signed this call to `url`, our public address as Twilio was given it, query included."""
    validator: Any = RequestValidator  # without types in the SDK
    return bool(signature) and bool(validator(auth_token).validate(url, dict(params), signature))


def _receipt(made: Any) -> Receipt:
    """Of a message or a call."""
    if not made.sid:
        raise DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP, detail="the answer named no message")
    state = TWILIO_STATES.get(str(made.status or "").lower(), MessageState.ACCEPTED)
    code = str(getattr(made, "error_code", None) or "")
    detail = getattr(made, "error_message", None) or ""
    return Receipt(made.sid, state, code=code, detail=detail, refusal=TWILIO_REFUSALS.get(code))


def _delivery_error(error: Exception, *, retry_after_s: float | None) -> DeliveryError:
    refusal, retry = _class_of(error)
    code = str(error.code or "") if isinstance(error, TwilioRestException) else ""
    if refusal is Refusal.MISCONFIGURED and retry is Retry.SAFE:
        retry_after_s = retry_after_s or OUR_ACCOUNT_RETRY_S
    return DeliveryError(refusal, retry=retry, detail=_detail(error), code=code, retry_after_s=retry_after_s)


def _class_of(error: Exception) -> tuple[Refusal, Retry]:
    if isinstance(error, TwilioRestException):
        return _class_of_answer(error.status, error.code)
    if never_connected(error):
        return Refusal.UNREACHABLE, Retry.SAFE
    return Refusal.UNKNOWN_OUTCOME, Retry.LOOK_UP


def _class_of_answer(status: int, code: int | None) -> tuple[Refusal, Retry]:
    if status >= 500:
        return Refusal.UNKNOWN_OUTCOME, Retry.LOOK_UP
    if code in _CODES:
        return _CODES[code]
    if status == 429:
        return Refusal.RATE_LIMITED, Retry.SAFE
    if status in {401, 403, 404}:
        # Our account's trouble, not this message's: it waits until somebody has mended the settings.
        return Refusal.MISCONFIGURED, Retry.SAFE
    return Refusal.REJECTED, Retry.NEVER


def _detail(error: Exception) -> str:
    return error.msg if isinstance(error, TwilioRestException) else type(error).__name__


def _bare(text: str) -> str:
    return " ".join(text.split())
