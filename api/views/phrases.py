"""Phrases in a person's language, from the language maps that manifests declare."""

from collections.abc import Mapping
from typing import Any

import phonenumbers

CHANNELS: Mapping[str, str] = {
    "sms": "SMS",
    "email": "e-mail",
    "voice": "phone call",
    "whatsapp": "WhatsApp",
    "push": "notification",
    "webhook": "connector",
    "letter": "letter",
}
"""What the desk calls each channel."""


def said(words: Mapping[str, Any] | None, language: str, *, default: str = "") -> str:
    """The phrase in `language`, else in English, else in any, else `default`."""
    if not words:
        return default
    found = words.get(language) or words.get("en") or next(iter(words.values()), "")
    return str(found) or default


def first_upper(text: str) -> str:
    """With a capital first letter."""
    return text[:1].upper() + text[1:]


def first_name(name: str) -> str:
    """What a message calls somebody."""
    return next(iter(name.split()), name)


def number(value: object, unit: str | None = None, *, language: str = "en") -> str:
    """A value as people read it: few digits, with its unit."""
    if isinstance(value, bool):
        text = {"fr": ("non", "oui")}.get(language, ("no", "yes"))[value]
    elif isinstance(value, int | float):
        text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        text = text.replace(".", ",") if language == "fr" else text
    else:
        text = str(value)
    return f"{text}\u00a0{unit}" if unit else text


def phone(text: str) -> str:
    """An E.164 number in groups, as people read it aloud."""
    try:
        return phonenumbers.format_number(phonenumbers.parse(text), phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    except phonenumbers.NumberParseException:
        return text


def plural(count: int, one: str, many: str = "") -> str:
    """1 device, 2 devices."""
    return f"{count} {one if count == 1 else many or one + 's'}"
