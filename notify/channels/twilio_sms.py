"""Text messages by Twilio's official SDK, submitted once: its create call knows no idempotency key, so we own retries.

What an error allows follows the HTTP status first; Twilio's code refines it
(https://www.twilio.com/docs/api/errors). After a 5xx or a lost answer the message may have been taken.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout, RequestException
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from urllib3.exceptions import MaxRetryError, NewConnectionError

from domain.errors import DeliveryError
from domain.messages import Channel, MessageState, Refusal, Retry
from domain.outbox import Content, Pending, Receipt
from notify.receipts import TWILIO_STATES

TIMEOUT_S = 8.0
"""For connecting, and again for each read."""
VALIDITY_S = 1800
"""A fault message that waited longer in a carrier's queue is worse than none."""
OUR_ACCOUNT_RETRY_S = 300.0
LISTED = 50

_CODES: dict[int, tuple[Refusal, Retry]] = {
    **dict.fromkeys((21211, 21217, 21612, 21614), (Refusal.BAD_ADDRESS, Retry.NEVER)),
    21610: (Refusal.OPTED_OUT, Retry.NEVER),
    **dict.fromkeys((21212, 21408, 21601, 21603, 21606, 21608, 21659), (Refusal.MISCONFIGURED, Retry.NEVER)),
    **dict.fromkeys((14107, 20429, 21611), (Refusal.RATE_LIMITED, Retry.SAFE)),
}


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """How we are known there. `sender` is a number, or a Messaging Service (MG…)."""

    sid: str
    auth_token: str
    sender: str
    base_url: str = ""
    """Another host that speaks Twilio's API."""


class TwilioSms:
    """The SMS channel by Twilio."""

    channel = Channel.SMS
    provider = "twilio"
    # How fresh the list is stands in no document, so it gets about a minute.
    look_up_after_s: tuple[float, ...] = (5.0, 15.0, 40.0)
    authoritative = True
    repeatable = False

    def __init__(self, account: TwilioAccount, *, status_callback: str = "", timeout_s: float = TIMEOUT_S) -> None:
        """`status_callback`: our public address for receipts, told to Twilio with each message."""
        self._account, self._status_callback = account, status_callback
        self.sender = account.sender
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

    def send(self, address: str, content: Content, *, reference: str) -> Receipt:
        try:
            message = self._client.messages.create(
                to=address,
                body=content.text,
                validity_period=VALIDITY_S,
                smart_encoded=False,
                **self._sender(),
                **self._callback(reference),
            )
        except (TwilioException, RequestException, ValueError) as exc:
            raise _delivery_error(exc, retry_after_s=self._http.retry_after_s) from exc
        return _receipt(message)

    def look_up(self, pending: Pending) -> Receipt | None:
        try:
            listed = self._client.messages.list(to=pending.address, limit=LISTED, **self._listed_sender())
        except (TwilioException, RequestException, ValueError) as exc:
            raise DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP, detail=_detail(exc)) from exc
        wanted = _bare(pending.body)
        # The text holds our signed link; what Twilio puts before it on a trial account does not matter.
        ours = (one for one in listed if one.sid not in pending.taken and wanted in _bare(one.body or ""))
        return next((_receipt(one) for one in ours), None)

    def close(self) -> None:
        """Let go of the connections."""
        if self._http.session is not None:
            self._http.session.close()

    def _sender(self) -> dict[str, str]:
        sender = self._account.sender
        return {"messaging_service_sid": sender} if sender.startswith("MG") else {"from_": sender}

    def _listed_sender(self) -> dict[str, str]:
        # A service picks one of its numbers, so its messages are found by their text alone.
        return {} if self._account.sender.startswith("MG") else {"from_": self._account.sender}

    def _callback(self, reference: str) -> dict[str, str]:
        """With the message's name in it, a signed receipt tells the outcome even if this answer gets lost.

        The fragment asks Twilio to repeat a callback that fails, which it would not do by itself.
        """
        if not self._status_callback:
            return {}
        return {"status_callback": f"{self._status_callback}?{urlencode({'message': reference})}#rc=5&rp=all"}


class _HttpClient(TwilioHttpClient):
    """Swaps the host where one is set, and keeps what the SDK's exceptions drop: Retry-After."""

    def __init__(self, base_url: str, *, timeout_s: float) -> None:
        super().__init__(timeout=timeout_s, max_retries=None, logger=_wire_log())
        self._base, self._last = urlsplit(base_url), threading.local()

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
        self._last.retry_after_s = _seconds((response.headers or {}).get("Retry-After", ""))
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


def _receipt(message: Any) -> Receipt:
    state = TWILIO_STATES.get(str(message.status or "").lower(), MessageState.ACCEPTED)
    if not message.sid:
        raise DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP, detail="the answer named no message")
    return Receipt(message.sid, state, code=str(message.error_code or ""), detail=message.error_message or "")


def _delivery_error(error: Exception, *, retry_after_s: float | None) -> DeliveryError:
    refusal, retry = _class_of(error)
    code = str(error.code or "") if isinstance(error, TwilioRestException) else ""
    if refusal is Refusal.MISCONFIGURED and retry is Retry.SAFE:
        retry_after_s = retry_after_s or OUR_ACCOUNT_RETRY_S
    return DeliveryError(refusal, retry=retry, detail=_detail(error), code=code, retry_after_s=retry_after_s)


def _class_of(error: Exception) -> tuple[Refusal, Retry]:
    if isinstance(error, TwilioRestException):
        return _class_of_answer(error.status, error.code)
    if _never_connected(error):
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


def _never_connected(error: Exception) -> bool:
    if isinstance(error, ConnectTimeout):
        return True
    cause = error.args[0] if isinstance(error, RequestsConnectionError) and error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def _detail(error: Exception) -> str:
    return error.msg if isinstance(error, TwilioRestException) else type(error).__name__


def _bare(text: str) -> str:
    return " ".join(text.split())


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
