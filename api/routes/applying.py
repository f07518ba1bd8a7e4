"""Manifests over HTTP, as YAML or JSON."""

from typing import Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.manifests import Applied, apply
from api.routes.raw import RawText, takes_yaml
from api.services import House
from domain.errors import SourceError
from rules.documents import parse_documents

router = APIRouter(prefix="/v1", tags=["manifests"])


class AppliedOut(BaseModel):
    """One declared thing and what became of it."""

    kind: str
    name: str
    outcome: str
    version: int | None = None
    note: str = ""
    """What a person should know beside the outcome, such as how many segments a text takes; absent where nothing."""


class ApplyOut(BaseModel):
    """All of them, in writing order."""

    items: list[AppliedOut]
    dry_run: bool


@router.post(
    "/apply",
    response_model=ApplyOut,
    response_model_exclude_unset=True,
    summary="Create or change what manifests declare",
    openapi_extra=takes_yaml(),
)
def apply_manifests(
    text: RawText, house: House, *, dry_run: bool = Query(default=False, description="only check")
) -> Any:
    """All or nothing; all mistakes are answered together, each with line and key."""
    documents = parse_documents(text)
    if not documents:
        raise SourceError("no manifest in the body", cure="send YAML or JSON documents with a kind each")
    with house.database.write() as session:
        done = apply(session, documents, now=house.clock.now(), dry_run=dry_run)
    items = [_shown(one) for one in done]
    return ApplyOut(items=items, dry_run=dry_run)


def _shown(one: Applied) -> AppliedOut:
    shown = AppliedOut(kind=one.kind, name=one.name, outcome=one.outcome, version=one.version)
    return shown.model_copy(update={"note": one.note}) if one.note and one.kind == "template" else shown
