"""Approvals: whether many people may hear of one cause, decided by a person."""

from enum import StrEnum
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.ids import PathId
from api.schemas.moments import Moment
from api.services import House
from domain.brakes import CauseState
from store import approvals

router = APIRouter(prefix="/v1/approvals", tags=["messages"])


class Decision(StrEnum):
    """What is decided."""

    APPROVE = "approve"
    DECLINE = "decline"


class DecisionIn(BaseModel):
    """A person's word."""

    decision: Decision
    note: str = Field("", max_length=500)


class ApprovalOut(BaseModel):
    """A question to a person, as it stands."""

    id: int
    cause: str = Field(validation_alias="key")
    name: str
    state: CauseState
    told: int
    """People who have heard of it."""
    waiting: int
    """Messages that wait for the answer."""
    ticket_id: int | None
    wanted_at: Moment
    decided_at: Moment | None
    decided_by: str | None
    note: str

    model_config = {"from_attributes": True}


class ApprovalsOut(BaseModel):
    """All of them, newest first."""

    items: list[ApprovalOut]


@router.get("", response_model=ApprovalsOut, response_model_by_alias=False, summary="List what waits for approval")
def list_approvals(house: House, state: CauseState | None = None) -> Any:
    with house.database.read() as session:
        return {"items": approvals.approvals(session, state=state)}


@router.post("/{approval_id}", response_model=ApprovalOut, response_model_by_alias=False, summary="Approve or decline")
def decide(approval_id: PathId, word: DecisionIn, house: House) -> Any:
    with house.database.write() as session:
        return approvals.decide(
            session,
            approval_id,
            yes=word.decision is Decision.APPROVE,
            by="agent",
            note=word.note.strip(),
            per_minute=house.approved_per_minute,
            now=house.clock.now(),
        )
