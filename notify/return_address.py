"""Addresses by which what comes back finds its message: `care+r.7k.MAC@thermia.example` for answers, b for bounces."""

from domain.errors import Forbidden
from domain.links import LinkSigner, Purpose


def made(signer: LinkSigner, purpose: Purpose, number: int, *, mailbox: str) -> str:
    """The address within `mailbox` for one message, by subaddressing (RFC 5233)."""
    local, _, domain = mailbox.rpartition("@")
    return f"{local}+{purpose}.{signer.token(purpose, number)}@{domain}"


def opened(signer: LinkSigner, address: str) -> tuple[Purpose, int] | None:
    """What such an address is for, and the message it names; None for any other, and for a forged one."""
    detail = address.rpartition("@")[0].rpartition("+")[2]
    letter, _, token = detail.partition(".")
    try:
        purpose = Purpose(letter.lower())
        return purpose, signer.open(purpose, token)
    except (ValueError, Forbidden):
        return None
