"""A picture as an answer: what a stranger sent must never act as a page of ours."""

from fastapi import Response

from domain.errors import NotFound
from store.tables import Attachment

_SHOWN_INLINE = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_HEADERS = {
    # As a document it can run, load and send nothing.
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, max-age=3600",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def served(picture: Attachment | None, number: int) -> Response:
    """Its bytes under the type that they themselves have. Raises NotFound for one that was not kept."""
    if picture is None or picture.content is None:
        raise NotFound("picture", number)
    inline = picture.media_type in _SHOWN_INLINE
    kind = picture.media_type.partition("/")[2]
    headers = {**_HEADERS, "Content-Disposition": f'{"inline" if inline else "attachment"}; filename="{number}.{kind}"'}
    return Response(picture.content, media_type=picture.media_type, headers=headers)
