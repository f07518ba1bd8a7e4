"""DKIM (RFC 6376): the house signs its mail, so that a receiver knows that it is ours and that nobody changed it."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import dkim  # type: ignore[import-untyped]

from domain.errors import ConfigError

SIGNED = (
    b"from", b"to", b"subject", b"date", b"message-id", b"reply-to", b"in-reply-to", b"references", b"auto-submitted",
    b"list-unsubscribe", b"list-unsubscribe-post", b"mime-version", b"content-type",
)  # fmt: skip
"""Each of these that a mail has is signed, and once more than it has it: nobody can add a second one on the way."""

_NAME = re.compile(rb"^([!-9;-~]+):", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class DkimSigner:
    """Signs for one domain with one key. Raises ConfigError for a key that signs nothing."""

    selector: str
    domain: str
    key: bytes = field(repr=False)
    """RSA, PEM."""

    def __post_init__(self) -> None:
        try:
            self.sign(b"From: a@b.example\r\n\r\n\r\n")
        except dkim.DKIMException as exc:
            raise ConfigError(f"PREVENANT_DKIM_KEY_FILE holds no RSA key in PEM: {exc}") from exc

    def sign(self, mail: bytes) -> bytes:
        """The mail with its signature in front."""
        head = mail.partition(b"\r\n\r\n")[0]
        has = [name.lower() for name in _NAME.findall(head)]
        covered = [name for one in SIGNED if one in has for name in [one] * (has.count(one) + 1)]
        signature: bytes = dkim.sign(
            mail,
            self.selector.encode(),
            self.domain.encode(),
            self.key,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=covered,
        )
        return signature + mail


def signer_of(*, selector: str, domain: str, key_file: str) -> DkimSigner:
    """As the settings name it. Raises ConfigError."""
    try:
        key = Path(key_file).read_bytes()
    except OSError as exc:
        raise ConfigError(f"PREVENANT_DKIM_KEY_FILE cannot be read: {exc.strerror}: {key_file}") from exc
    return DkimSigner(selector, domain, key)
