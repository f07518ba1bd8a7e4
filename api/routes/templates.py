"""Makers' own words: which are in force, and giving a moment back to the words that are shipped."""

from typing import Any

from fastapi import APIRouter, status

from api.paging import Page, Wanted, page_of
from api.schemas.wordings import TemplateOut
from api.services import House
from domain.errors import NotFound
from store import wordings
from store.tables import Wording

router = APIRouter(prefix="/v1/templates", tags=["templates"])


@router.get("", response_model=Page[TemplateOut], summary="List the words that makers chose")
def list_templates(house: House, wanted: Wanted) -> Any:
    with house.database.read() as session:
        rows, cursor = page_of(session, wordings.in_force(), Wording.name, wanted)
        return {"items": rows, "next": cursor}


@router.get("/{name}", response_model=TemplateOut, summary="Read the words of a moment on a channel")
def read_template(name: str, house: House) -> Any:
    with house.database.read() as session:
        row = wordings.current(session, name)
        if row is None:
            raise NotFound("template", name)
        return row


@router.delete("/{name}", status_code=status.HTTP_204_NO_CONTENT, summary="Give a moment back to the shipped words")
def remove_template(name: str, house: House) -> None:
    with house.database.write() as session:
        row = wordings.current(session, name)
        if row is None:
            raise NotFound("template", name)
        wordings.withdraw(session, row, now=house.clock.now())
