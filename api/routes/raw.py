"""Request bodies as they came: text for manifests, bytes for uplinks, fields of forms."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import UploadFile

from domain.errors import SourceError


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a posted form."""

    name: str
    content: bytes


async def _raw_bytes(request: Request) -> bytes:
    return await request.body()


async def _raw_text(request: Request) -> str:
    try:
        return (await request.body()).decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise SourceError("the body is not UTF-8 text", cure="send it as UTF-8") from exc


async def _form(request: Request) -> dict[str, str]:
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str)}


async def _files(request: Request) -> list[Upload]:
    form = await request.form()
    found: list[Upload] = []
    for _, value in form.multi_items():
        if isinstance(value, UploadFile):
            if value.filename:
                found.append(Upload(value.filename, await value.read()))
            await value.close()
    return found


RawBytes = Annotated[bytes, Depends(_raw_bytes)]
RawText = Annotated[str, Depends(_raw_text)]
FormFields = Annotated[dict[str, str], Depends(_form)]
"""Text fields of a posted form; files are passed over."""


FormFiles = Annotated[list[Upload], Depends(_files)]
"""Files of a posted form; the whole body is bounded by `api.headers.BodyLimit`."""


def takes_yaml() -> dict[str, Any]:
    """The OpenAPI part that says so."""
    content = {"application/yaml": {"schema": {"type": "string"}}, "application/json": {"schema": {"type": "object"}}}
    return {"requestBody": {"required": True, "content": content}}
