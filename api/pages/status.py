"""How the house is: roles, partitions, services, and how much waits."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import func, select

from api.pages.frame import admit, desk_zone, frame
from api.pages.rendering import page
from api.routes import messages
from api.routes.raw import FormFields
from api.services import House
from api.views import times
from store import pausing
from store.tables import DeadLetter, Message, Rule, RuleVersion

router = APIRouter()


@router.get("/status")
def status(request: Request, house: House) -> Response:
    admit(request, house)
    now, zone = house.clock.now(), desk_zone(house)
    found = house.status()
    with house.database.read() as session:
        letters = session.scalars(select(DeadLetter).order_by(DeadLetter.last_at.desc()).limit(30)).all()
        by_state = session.execute(select(Message.state, func.count()).group_by(Message.state)).all()
        queues, pause = pausing.waiting(session), pausing.state(session)
        rules = session.execute(
            select(Rule, RuleVersion)
            .join(RuleVersion, (RuleVersion.name == Rule.name) & (RuleVersion.version == Rule.version))
            .order_by(Rule.name)
        ).all()
        return page(
            request,
            "status.html",
            part="parts/status.html",
            frame=frame(request, session),
            found=found,
            letters=[(letter, times.at(letter.last_at, zone, now=now)) for letter in letters],
            messages=sorted((state, count) for state, count in by_state),
            waiting=sum(queue.count for queue in queues),
            queues=[(queue, times.at(queue.oldest, zone, now=now)) for queue in queues],
            pause=pause,
            paused_at=times.at(pause.since, zone, now=now) if pause.since else "",
            rules=[(rule, version) for rule, version in rules],
        )


@router.post("/status/{action}")
def switch(action: str, request: Request, fields: FormFields, house: House) -> Response:
    """Pause or resume all sending."""
    admit(request, house)
    if action == "pause":
        messages.pause(house, messages.Why(reason=fields.get("reason", "")[:500]))
    else:
        messages.resume(house)
    return RedirectResponse("/status", status_code=303)
