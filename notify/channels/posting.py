"""What an HTTP POST to a server of others may end in, as the sender's retry classes; for push and webhooks."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from requests import Response
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout, InvalidURL, MissingSchema, RequestException
from urllib3.exceptions import MaxRetryError, NewConnectionError

from domain.errors import DeliveryError
from domain.messages import Refusal, Retry

GONE = frozenset({404, 410})
"""The address is no more (RFC 8030 section 7.3 for push; Standard Webhooks for connectors)."""
_BUSY = frozenset({429, 503})


def refusal_of(response: Response) -> DeliveryError:
    """Of an answer that is not 2xx."""
    code, detail = response.status_code, f"answered {response.status_code} {response.reason}"
    if code in GONE:
        return DeliveryError(Refusal.BAD_ADDRESS, retry=Retry.NEVER, detail=detail, code=str(code))
    if code in _BUSY:
        pause = retry_after_s(response.headers.get("Retry-After", ""))
        return DeliveryError(Refusal.RATE_LIMITED, retry=Retry.SAFE, detail=detail, code=str(code), retry_after_s=pause)
    if code in {401, 403}:
        return DeliveryError(Refusal.MISCONFIGURED, retry=Retry.SAFE, detail=detail, code=str(code))
    if code >= 500:
        return DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP, detail=detail, code=str(code))
    return DeliveryError(Refusal.REJECTED, retry=Retry.NEVER, detail=detail, code=str(code))


def failure_of(error: RequestException) -> DeliveryError:
    """Of a POST without an answer: before the connection stood nothing was taken, after it nobody knows."""
    name = type(error).__name__
    if isinstance(error, InvalidURL | MissingSchema):
        return DeliveryError(Refusal.BAD_ADDRESS, retry=Retry.NEVER, detail="this is no address to post to")
    if never_connected(error):
        return DeliveryError(Refusal.UNREACHABLE, retry=Retry.SAFE, detail=name)
    return DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP, detail=name)


def retry_after_s(text: str) -> float | None:
    """Seconds, from either form of Retry-After (RFC 9110 section 10.2.3); None for anything else."""
    if text.strip().replace(".", "", 1).isdecimal():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (at - datetime.now(UTC)).total_seconds()) if at.tzinfo else None


def never_connected(error: Exception) -> bool:
    """Whether the connection never stood, so that nothing can have been taken."""
    if isinstance(error, ConnectTimeout):
        return True
    cause = error.args[0] if isinstance(error, RequestsConnectionError) and error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
