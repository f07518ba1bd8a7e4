"""One e-mail as it leaves: headers that clients and receivers need, text and HTML, and where what comes back goes."""

from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr

from domain.errors import ConfigError, DeliveryError
from domain.links import LinkSigner, Purpose
from domain.messages import Refusal, Retry
from domain.outbox import Content
from notify import return_address
from notify.channels.reference import message_id

FOLD = "\r\n "
_WHOLE = frozenset({"list-unsubscribe", "references", "in-reply-to"})


class _Wire(EmailPolicy):
    """SMTP line ends. The standard library writes addresses longer than a line as encoded words, which no receiver
    reads back: headers made of addresses are folded between them instead.
    """

    def fold_binary(self, name: str, value: str) -> bytes:
        if name.lower() in _WHOLE:
            return f"{name}: {FOLD.join(value.split())}\r\n".encode("ascii")
        return super().fold_binary(name, value)


# Seven bits throughout: a relay on the way that speaks no 8BITMIME would rewrite the text, and break its signature.
WIRE = _Wire(linesep="\r\n", cte_type="7bit")


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What all our mail has in common."""

    mail_from: str
    """`Thermia <care@thermia.example>`; without a name, the maker's is used."""
    reply_to: str = ""
    """Mailbox for what comes back; default: the address of `mail_from`."""
    returns: LinkSigner | None = None
    """Signs an address of its own for each mail's answers and bounces; None where nobody reads that mailbox for us."""

    def __post_init__(self) -> None:
        for name, text in (("PREVENANT_MAIL_FROM", self.mail_from), ("PREVENANT_MAIL_REPLY_TO", self.mailbox)):
            if "@" not in parseaddr(text)[1]:
                raise ConfigError(f"{name} holds no e-mail address; write for example Thermia <care@thermia.example>")

    @property
    def address(self) -> str:
        """That of `mail_from`, without the name."""
        return parseaddr(self.mail_from)[1]

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]

    @property
    def mailbox(self) -> str:
        """Where answers and bounces come back."""
        return parseaddr(self.reply_to or self.mail_from)[1]

    def envelope_sender(self, reference: str) -> str:
        """Where this mail's bounces go: an address for it alone (VERP), signed so that nobody can forge another's."""
        return self._return(Purpose.BOUNCE, reference) or self.address

    def answers(self, reference: str) -> str:
        """Where this mail's answers go."""
        return self._return(Purpose.REPLY, reference) or (self.reply_to or self.mail_from)

    def unsubscribe(self, reference: str) -> str:
        """Where a mail may be sent that refuses this one's kind; empty if nobody would read it."""
        return self._return(Purpose.UNSUBSCRIBE, reference)

    def _return(self, purpose: Purpose, reference: str) -> str:
        number = message_id(reference)
        if self.returns is None or number is None:
            return ""
        return return_address.made(self.returns, purpose, number, mailbox=self.mailbox)


def compose(letterhead: Letterhead, address: str, content: Content, *, reference: str, now: datetime) -> EmailMessage:
    """The mail. Raises DeliveryError for what is no address."""
    mail = EmailMessage()
    mail["Subject"] = content.subject
    mail["From"] = _sender(letterhead, content)
    mail["To"] = _recipient(address)
    mail["Reply-To"] = letterhead.answers(reference)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<prevenant.{reference}@{letterhead.domain}>"
    if content.in_reply_to.startswith("<"):
        mail["In-Reply-To"] = mail["References"] = content.in_reply_to
    # RFC 3834, and what Exchange reads instead: no machine need answer.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    if content.unsubscribe:
        ways = (f"<{content.unsubscribe}>", _mailto(letterhead.unsubscribe(reference)))
        mail["List-Unsubscribe"] = ", ".join(filter(None, ways))
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    mail.set_content(content.text, cte="quoted-printable")
    if content.html:
        mail.add_alternative(content.html, subtype="html", cte="quoted-printable")
    return mail


def _sender(letterhead: Letterhead, content: Content) -> str | Address:
    if content.origin:
        return Address(display_name=content.sender, addr_spec=content.origin)
    if parseaddr(letterhead.mail_from)[0] or not content.sender:
        return letterhead.mail_from
    return Address(display_name=content.sender, addr_spec=letterhead.address)


def _mailto(address: str) -> str:
    return f"<mailto:{address}?subject=unsubscribe>" if address else ""


def _recipient(address: str) -> Address:
    try:
        if not address.isascii() or not address:
            # Beyond ASCII it needs SMTPUTF8, which few relays speak.
            raise ValueError(address)
        return Address(addr_spec=address)
    except (ValueError, HeaderParseError) as exc:
        raise DeliveryError(Refusal.BAD_ADDRESS, retry=Retry.NEVER, detail="this is not an e-mail address") from exc
