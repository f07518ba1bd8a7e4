"""E-mail by SMTP: one connection a message, one submission an attempt. `email_message` writes what is sent.

A relay that answers 2xx after the last dot has taken responsibility. When the connection is lost there, it may have
(RFC 1047), and SMTP has no way to ask; the Message-ID, one for all attempts of a message, lets a mailbox see that.
"""

import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from domain.clock import Clock
from domain.errors import ConfigError, DeliveryError
from domain.messages import Channel, MessageState, Refusal, Retry
from domain.outbox import Content, Pending, Receipt
from notify.bounces import is_dead
from notify.channels.email_dkim import DkimSigner
from notify.channels.email_message import WIRE, Letterhead, compose

TIMEOUT_S = 15.0
OUR_ACCOUNT_RETRY_S = 300.0
_ENHANCED = re.compile(r"5\d\d[ -](5\.\d{1,3}\.\d{1,3})\b")
"""RFC 2034: the status that follows the reply code."""
_DEFAULT_PORT = {"smtp": 25, "smtps": 465}


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed over: encrypted from the first byte with `smtps`, else as soon as that is offered."""

    host: str
    port: int
    user: str = ""
    password: str = ""
    implicit_tls: bool = False


def parse_smtp_url(url: str) -> SmtpServer:
    """`smtp://user:pass@host:port` or `smtps://…`. Raises ConfigError."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in _DEFAULT_PORT or not parts.hostname or port == -1:
        # The value may hold a password, so it is not repeated.
        raise ConfigError(
            "PREVENANT_SMTP_URL is not an address; write for example smtp://user:password@mail.example:587"
        )
    return SmtpServer(
        host=parts.hostname,
        port=port or _DEFAULT_PORT[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        implicit_tls=parts.scheme == "smtps",
    )


class SmtpEmail:
    """The e-mail channel by SMTP. Nobody can be asked what became of a submission, so a doubt goes to a person."""

    channel = Channel.EMAIL
    provider = "smtp"
    # Connecting, greeting, signing in, and six commands: each has the whole timeout, hardly ever used.
    patience_s = 6 * TIMEOUT_S
    look_up_after_s: tuple[float, ...] = ()
    authoritative = False
    repeatable = False

    def __init__(
        self,
        server: SmtpServer,
        clock: Clock,
        *,
        letterhead: Letterhead,
        dkim: DkimSigner | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._server, self._clock, self._timeout_s = server, clock, timeout_s
        self._letterhead, self._dkim = letterhead, dkim
        self.sender = letterhead.address

    def send(self, address: str, content: Content, *, reference: str) -> Receipt:
        mail = compose(self._letterhead, address, content, reference=reference, now=self._clock.now())
        wire = mail.as_bytes(policy=WIRE)
        if self._dkim:
            wire = self._dkim.sign(wire)
        with self._session() as smtp:
            # A report need not carry the mail through other houses once more (RFC 3461).
            brief = ["RET=HDRS"] if smtp.has_extn("dsn") else []
            _step(smtp.mail(self._letterhead.envelope_sender(reference), brief), sender=True)
            _step(smtp.rcpt(address))
            _hand_over(smtp, wire)
        return Receipt(str(mail["Message-ID"]), MessageState.ACCEPTED)

    def look_up(self, pending: Pending) -> Receipt | None:  # noqa: ARG002
        return None

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """Connected, encrypted where offered, signed in. Up to here nothing was submitted."""
        try:
            smtp = self._connect()
        except (OSError, smtplib.SMTPException) as exc:
            raise _unreachable(exc) from exc
        try:
            self._sign_in(smtp)
            yield smtp
            # The relay has answered for the message; how it says goodbye changes nothing.
            with suppress(OSError, smtplib.SMTPException):
                smtp.quit()
        except smtplib.SMTPAuthenticationError as exc:
            raise _our_trouble(exc) from exc
        except (OSError, smtplib.SMTPException) as exc:
            raise _unreachable(exc) from exc
        finally:
            smtp.close()

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        if server.implicit_tls:
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(server.host, server.port, timeout=self._timeout_s, context=context)
        return smtplib.SMTP(server.host, server.port, timeout=self._timeout_s)

    def _sign_in(self, smtp: smtplib.SMTP) -> None:
        smtp.ehlo_or_helo_if_needed()
        if not self._server.implicit_tls and smtp.has_extn("starttls"):
            smtp.starttls(context=ssl.create_default_context())
            smtp.ehlo()
        if self._server.user:
            smtp.login(self._server.user, self._server.password)


def _step(answer: tuple[int, bytes], *, sender: bool = False) -> None:
    """Raises DeliveryError unless the relay agrees to this sender, or to this recipient."""
    code, text = answer
    if 200 <= code < 300:
        return
    detail = f"{code} {text.decode(errors='replace')}"
    if 400 <= code < 500:
        raise DeliveryError(Refusal.RATE_LIMITED, retry=Retry.SAFE, detail=detail, code=str(code))
    refusal = Refusal.MISCONFIGURED if sender else _refusal_of(detail)
    raise DeliveryError(refusal, retry=Retry.NEVER, detail=detail, code=str(code))


def _refusal_of(answer: str) -> Refusal:
    """Of a recipient. A full mailbox, or a relay that dislikes the mail, says by its status that this one is alive."""
    status = _ENHANCED.match(answer)
    return Refusal.BAD_ADDRESS if status is None or is_dead(status[1], answer) else Refusal.UNREACHABLE


def _hand_over(smtp: smtplib.SMTP, mail: bytes) -> None:
    """The message itself. From the first byte on, a lost connection means that nobody knows."""
    try:
        code, text = smtp.data(mail)
    except smtplib.SMTPDataError as exc:
        # The answer to DATA: the relay did not want to see the message.
        code, text = exc.smtp_code, exc.smtp_error if isinstance(exc.smtp_error, bytes) else exc.smtp_error.encode()
    except (OSError, smtplib.SMTPException) as exc:
        detail = f"the relay took the message and did not answer: {type(exc).__name__}"
        raise DeliveryError(Refusal.UNKNOWN_OUTCOME, retry=Retry.LOOK_UP, detail=detail) from exc
    if 200 <= code < 300:
        return
    detail = f"{code} {text.decode(errors='replace')}"
    if 400 <= code < 500:
        raise DeliveryError(Refusal.RATE_LIMITED, retry=Retry.SAFE, detail=detail, code=str(code))
    raise DeliveryError(Refusal.REJECTED, retry=Retry.NEVER, detail=detail, code=str(code))


def _unreachable(error: Exception) -> DeliveryError:
    return DeliveryError(Refusal.UNREACHABLE, retry=Retry.SAFE, detail=f"{type(error).__name__}: {error}")


def _our_trouble(error: smtplib.SMTPAuthenticationError) -> DeliveryError:
    return DeliveryError(
        Refusal.MISCONFIGURED,
        retry=Retry.SAFE,
        detail="the relay did not accept our user name and password",
        code=str(error.smtp_code),
        retry_after_s=OUR_ACCOUNT_RETRY_S,
    )
