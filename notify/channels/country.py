"""Which country an address is in: lines to providers break, and numbers cost, country by country."""

import json
from functools import lru_cache
from urllib.parse import urlsplit

import phonenumbers


@lru_cache(maxsize=4096)
def country_of(address: str) -> str:
    """ISO 3166 of a number in E.164, or its calling code where that is all one can tell; for what is posted the host,
    so that one connector's trouble is not the others'; "" for other addresses.
    """
    if not address.startswith("+"):
        return _host_of(address)
    try:
        number = phonenumbers.parse(address)
    except phonenumbers.NumberParseException:
        return ""
    return phonenumbers.region_code_for_number(number) or f"+{number.country_code}"


def _host_of(address: str) -> str:
    if address.startswith("{"):
        try:
            address = str(json.loads(address).get("endpoint", ""))
        except ValueError:
            return ""
    return urlsplit(address).hostname or "" if address.startswith(("https://", "http://")) else ""
