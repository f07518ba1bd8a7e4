"""Which country an address is in: lines to providers break, and numbers cost, country by country."""

from functools import lru_cache

import phonenumbers


@lru_cache(maxsize=4096)
def country_of(address: str) -> str:
    """ISO 3166 of a number in E.164, or its calling code where that is all one can tell; "" for other addresses."""
    if not address.startswith("+"):
        return ""
    try:
        number = phonenumbers.parse(address)
    except phonenumbers.NumberParseException:
        return ""
    return phonenumbers.region_code_for_number(number) or f"+{number.country_code}"
