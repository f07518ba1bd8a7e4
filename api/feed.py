"""The feed of what changes as server-sent events; asyncio's one place in the API."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence

import structlog
from fastapi import Request
from starlette.concurrency import run_in_threadpool

from api.services import Services
from domain.clock import iso
from domain.errors import StoreUnavailable
from store import events
from store.tables import Event

POLL_S = 0.25
HEARTBEAT_S = 10.0

log = structlog.get_logger()


async def stream(house: Services, request: Request, *, after_id: int | None) -> AsyncIterator[bytes]:
    """Events newer than `after_id` (None: than now), for ever, with a comment now and then to keep the line open."""
    yield b"retry: 1000\n\n"
    last, quiet_s, trouble = after_id, 0.0, False
    while not await request.is_disconnected():
        try:
            last, fresh = await run_in_threadpool(_read, house, last)
        except StoreUnavailable as exc:
            if not trouble:
                log.warning("event feed waits for the database", detail=str(exc))
            trouble, fresh = True, ()
        else:
            trouble = False
        if fresh:
            quiet_s = 0.0
            yield b"".join(_event(event) for event in fresh)
        elif quiet_s >= HEARTBEAT_S:
            quiet_s = 0.0
            yield b": still here\n\n"
        quiet_s += POLL_S
        await asyncio.sleep(POLL_S)


def _read(house: Services, last: int | None) -> tuple[int, Sequence[Event]]:
    with house.database.read() as session:
        if last is None:
            return events.newest_id(session), ()
        fresh = events.after(session, last)
        return (fresh[-1].id if fresh else last), fresh


def _event(event: Event) -> bytes:
    body = json.dumps({"id": event.id, "kind": event.kind, "at": iso(event.at), **event.body}, ensure_ascii=False)
    return f"id: {event.id}\nevent: change\ndata: {body}\n\n".encode()
