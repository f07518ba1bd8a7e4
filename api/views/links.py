"""Addresses in plain text as links."""

import re

from markupsafe import Markup, escape

_ADDRESS = re.compile(r"https?://[^\s<>\"'”»]+[^\s<>\"'”».,;:!?)]")


def with_links(text: str) -> Markup:
    """The text escaped, with each web address as a link and line breaks kept."""
    parts: list[Markup] = []
    end = 0
    for found in _ADDRESS.finditer(text):
        address = escape(found.group())
        parts += [escape(text[end : found.start()]), Markup('<a href="{0}">{0}</a>').format(address)]
        end = found.end()
    parts.append(escape(text[end:]))
    return Markup("").join(parts).replace("\n", Markup("<br>"))
