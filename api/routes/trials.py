"""POST /v1/rules/backtest: a rule over the history, before it reaches anybody."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session

from api import trials
from api.schemas.trials import BacktestIn, BacktestOut
from api.services import House
from domain.clock import iso
from domain.errors import Conflict, SourceError
from rules.backtest import assemble, run
from rules.documents import Document, parse_documents, plain
from rules.episodes import episodes_of
from rules.model import Rule

router = APIRouter(prefix="/v1/rules", tags=["rules"])

AT_MOST = 5_000_000
"""Readings of one back-test over HTTP; the command line takes more."""
TIME_LIMIT_S = 60.0
_ONE_AT_A_TIME = threading.Lock()


@router.post(
    "/backtest",
    response_model=BacktestOut,
    response_model_exclude_unset=True,
    summary="What a rule would have found and caused",
)
def backtest(body: BacktestIn, house: House) -> Any:
    """Over the stored history, by the engine that runs live; nothing is stored and nobody is told. Bounded in readings
    and time; one at a time, for it takes all the processors there are.
    """
    until = body.until or house.clock.now()
    if body.since > until:
        raise SourceError(f"{iso(body.since)} is after {iso(until)}", cure="give a time before `to`", key="from")
    with house.database.read() as session:
        rule, other = _rule(session, body), None
        product = body.product or _product(rule)
        fleet = trials.fleet_of(session, product)
        playbooks, judged = trials.stored_playbooks(session), trials.verdicts(session)
        if body.against is not None:
            other = trials.stored_rule(session, _name(rule), body.against)
    with _alone():
        trial = trials.trial_over_history(house.history, fleet, [rule], since=body.since, until=until, at_most=AT_MOST)
        in_time = _in_time()
        outcome = run(trial, progress=in_time)
        found = trials.report(trial, outcome, playbooks=playbooks, confirmed=judged, all_known=False)
        found["episodes"] = [trials.episode_fields(one) for one in episodes_of(outcome.transitions)[: trials.LISTED]]
        if other is not None:
            before = run(assemble([*fleet.products, other], trial.recording, trial.devices), progress=in_time)
            found["diff"] = trials.difference(before, outcome)
    return found


def _rule(session: Session, body: BacktestIn) -> Document | Rule:
    if body.name is not None:
        return trials.stored_rule(session, body.name, body.version)
    documents = [plain(body.rule)] if isinstance(body.rule, dict) else parse_documents(body.rule or "")
    if len(documents) != 1:
        raise SourceError(f"{len(documents)} documents", cure="send one rule", key="rule")
    (document,) = documents
    if isinstance(document.data, dict):
        document.data.setdefault("kind", "rule")
    if document.kind != "rule":
        raise document.error(f"{document.kind!r} is no rule", at=("kind",), cure="send kind: rule")
    return document


def _name(rule: Document | Rule) -> str:
    return rule.name if isinstance(rule, Rule) else str(rule.data.get("name", ""))


def _product(rule: Document | Rule) -> str | None:
    named = rule.product if isinstance(rule, Rule) else rule.data.get("product")
    return named if isinstance(named, str) else None


@contextmanager
def _alone() -> Iterator[None]:
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        raise Conflict("another back-test is running; ask again when it is done")
    try:
        yield
    finally:
        _ONE_AT_A_TIME.release()


def _in_time() -> Callable[[int], None]:
    """Raises once `TIME_LIMIT_S` have passed."""
    deadline = time.monotonic() + TIME_LIMIT_S

    def check(samples: int) -> None:
        if time.monotonic() > deadline:
            cure = "shorten the time, name a product, or use prevenant backtest RULES history"
            raise SourceError(
                f"not done within {TIME_LIMIT_S:.0f} s; {samples} samples were evaluated", cure=cure, key="from"
            )

    return check
