"""The HTTP application: REST, hooks and pages, put together once by `app/wiring.py`."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI
from fastapi.staticfiles import StaticFiles

from api import errors, guard
from api.headers import BodyLimit, SecurityHeaders
from api.pages import approvals as approval_pages
from api.pages import (
    console,
    customer,
    person,
    push,
    sandbox,
    sign_in,
    status,
    technician,
    ticket,
    ticket_actions,
    unsubscribe,
)
from api.pages import devices as device_pages
from api.pages import rules as rule_pages
from api.pages import templates as template_pages
from api.routes import (
    applying,
    approvals,
    collections,
    conversations,
    devices,
    faults,
    firmwares,
    health,
    hooks,
    mail_hook,
    messages,
    mutes,
    operations,
    rules,
    templates,
    tickets,
    trials,
    visits,
)
from api.services import Services

STATIC = Path(__file__).resolve().parent / "static"
MAX_BODY_BYTES = 16 * 1024 * 1024

TAGS = [
    {"name": "devices", "description": "Connected products, what they say, and what is said to them."},
    {"name": "rules", "description": "What counts as a fault, in immutable versions."},
    {"name": "faults", "description": "Episodes that rules found, with frozen evidence."},
    {"name": "tickets", "description": "One trouble of one device, from notice to proof."},
    {"name": "messages", "description": "What was said to whom, how far it got, and why not."},
    {"name": "visits", "description": "Work orders, and technicians on their way."},
    {"name": "manifests", "description": "Everything at once, as files declare it."},
]


def create_app(services: Services) -> FastAPI:
    """The application for these services."""
    app = FastAPI(
        title="Prevenant",
        version=_version(),
        summary="Notices a likely fault before its owner does, and sees it through to proof that it is gone.",
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.add_middleware(SecurityHeaders)
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES)
    errors.install(app)
    for router in _rest():
        app.include_router(router, dependencies=[Depends(guard.BEARER), Depends(guard.admitted)])
    app.include_router(health.router)
    app.include_router(hooks.router)
    app.include_router(mail_hook.router)
    desk = (console, ticket, ticket_actions, device_pages, rule_pages, template_pages, approval_pages, sandbox, status)
    for pages in (*desk, sign_in, push, customer, person, technician, unsubscribe):
        app.include_router(pages.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


def _rest() -> list[APIRouter]:
    return [
        *(collections.router_of(collection) for collection in collections.COLLECTIONS),
        devices.router,
        trials.router,
        rules.router,
        faults.router,
        tickets.router,
        messages.router,
        approvals.router,
        conversations.router,
        mutes.router,
        templates.router,
        firmwares.router,
        visits.router,
        operations.router,
        applying.router,
    ]


def _version() -> str:
    try:
        return version("prevenant")
    except PackageNotFoundError:
        return "0"
