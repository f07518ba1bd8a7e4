"""A DKIM key made for this run, and its record as a name server would give it."""

from base64 import b64encode
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE_KEY = _KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
_PUBLIC = b64encode(_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def dns_record(name: bytes, **_: Any) -> bytes | None:
    """The record of 2026._domainkey.thermia.example; there is no other."""
    return b"v=DKIM1; k=rsa; p=" + _PUBLIC if name == b"2026._domainkey.thermia.example." else None
