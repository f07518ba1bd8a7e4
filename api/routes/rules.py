"""Rules: versions, how far each reaches, and whether a draft would be accepted."""

from typing import Any

from fastapi import APIRouter, status
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.errors import source_errors, source_fields
from api.manifests import apply
from api.manifests.applying import check
from api.manifests.rulebook import set_stage
from api.paging import Page, Wanted, page_of
from api.routes.raw import RawText, takes_yaml
from api.rule_facts import detailed, shown
from api.schemas.desk import RuleDetail, RuleOut, RuleVersionOut, StageIn
from api.services import House
from domain.errors import NotFound, SourceError
from rules.documents import Document, parse_documents
from store.tables import Rule, RuleVersion

router = APIRouter(prefix="/v1/rules", tags=["rules"])


class Verdict(BaseModel):
    """Whether the rule would be accepted."""

    valid: bool
    errors: list[dict[str, Any]]


@router.get("", response_model=Page[RuleOut], summary="List rules, each with its newest version")
def list_rules(house: House, wanted: Wanted) -> Any:
    with house.database.read() as session:
        rows, cursor = page_of(session, select(Rule), Rule.name, wanted)
        return {"items": shown(session, rows, now=house.clock.now()), "next": cursor}


@router.post(
    "",
    response_model=RuleDetail,
    status_code=status.HTTP_201_CREATED,
    summary="Create a rule, or a new version of it",
    openapi_extra=takes_yaml(),
)
def create_rule(text: RawText, house: House) -> Any:
    document = _one_rule(text)
    with house.database.write() as session:
        (applied,) = apply(session, [document], now=house.clock.now())
        return detailed(session, session.get_one(Rule, applied.name), now=house.clock.now())


@router.post("/validate", response_model=Verdict, summary="Check a rule without storing it", openapi_extra=takes_yaml())
def validate_rule(text: RawText, house: House) -> Any:
    """Mistakes are the answer here, not a failure: 200 with `valid: false` and one entry for each."""
    try:
        document = _one_rule(text)
        with house.database.read() as session:
            check(session, [document])
    except (SourceError, ExceptionGroup) as exc:
        return {"valid": False, "errors": [source_fields(error) for error in source_errors(exc)]}
    return {"valid": True, "errors": []}


@router.get("/{name}", response_model=RuleDetail, summary="Read a rule's newest version")
def read_rule(name: str, house: House) -> Any:
    with house.database.read() as session:
        return detailed(session, _row(session, name), now=house.clock.now())


@router.get("/{name}/versions", response_model=Page[RuleVersionOut], summary="List a rule's versions, newest first")
def list_versions(name: str, house: House, wanted: Wanted) -> Any:
    with house.database.read() as session:
        _row(session, name)
        query = select(RuleVersion).where(RuleVersion.name == name)
        rows, cursor = page_of(session, query, RuleVersion.version, wanted, newest_first=True)
        return {"items": rows, "next": cursor}


@router.post("/{name}/stage", response_model=RuleDetail, summary="Set how far a rule reaches")
def change_stage(name: str, body: StageIn, house: House) -> Any:
    with house.database.write() as session:
        row = set_stage(session, name, body.stage, now=house.clock.now())
        session.flush()
        return detailed(session, row, now=house.clock.now())


def _one_rule(text: str) -> Document:
    documents = parse_documents(text)
    if len(documents) != 1:
        raise SourceError(f"{len(documents)} documents in the body", cure="send one rule; POST /v1/apply takes many")
    (document,) = documents
    if isinstance(document.data, dict):
        document.data.setdefault("kind", "rule")
    if document.kind != "rule":
        raise document.error(f"{document.kind!r} is no rule", at=("kind",), cure="POST /v1/apply takes all kinds")
    return document


def _row(session: Session, name: str) -> Rule:
    row = session.get(Rule, name)
    if row is None:
        raise NotFound("rule", name)
    return row
