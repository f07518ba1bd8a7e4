"""Every page in a real browser: nothing breaks, nothing comes from elsewhere, nothing scrolls sideways on a phone."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from domain.links import Purpose
from tests.fakes.api_house import TOKEN, House
from tests.fakes.api_server import serving
from tests.fakes.api_story import Story, morning
from tests.real import free_port, program

PHONE = {"width": 360, "height": 780}
DESKTOP = {"width": 1440, "height": 900}


@dataclass
class Stage:
    """A served house with a story in it, and a browser."""

    address: str
    house: House
    story: Story
    browser: Browser

    def page(self, *, width: int = 1440, height: int = 900, dark: bool = False, signed_in: bool = True) -> Page:
        """A page of a fresh browser profile."""
        context = self.browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", locale="en-GB"
        )
        page = context.new_page()
        if signed_in:
            context.request.get(f"{self.address}/?token={TOKEN}")
        return page

    def customer(self, ticket_id: int) -> str:
        return f"/c/{self.house.signer.token(Purpose.CUSTOMER, ticket_id)}"

    def visit(self, visit_id: int) -> str:
        return f"/v/{self.house.signer.token(Purpose.VISIT, visit_id)}"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    chromium = program("chromium")
    port = free_port()
    house = House(tmp_path_factory.mktemp("pages"), public_url=f"http://127.0.0.1:{port}")
    story = morning(house)
    house.status = {
        "ready": True,
        "trouble": [],
        "roles": [
            {"role": role, "pid": 4100 + index, "ready": True, "alive": True, "trouble": None}
            for index, role in enumerate(("ingest", "rules", "notify", "clock", "api"))
        ],
        "partitions": [{"partition": p, "position": 400 + p, "lag": 0, "owner": "rules@host:4101"} for p in range(4)],
        "services": {"mqtt": "embedded", "mqtt_port": 1883, "log": "embedded", "database": "sqlite"},
    }
    with serving(house.app, port) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield Stage(address, house, story, browser)
        browser.close()
    house.close()


PAGES = {
    "console": "/",
    "tickets": "/tickets?show=all",
    "ticket-visit": "/tickets/2",
    "ticket-person": "/tickets/3",
    "devices": "/devices",
    "device": "/devices/hp-camille",
    "sandbox": "/sandbox",
    "status": "/status",
    "customer-visit": "customer:2",
    "customer-told": "customer:4",
    "customer-english": "customer:3",
    "customer-over": "customer:1",
    "technician": "visit:1",
    "not-found": "/nothing/here",
}
VIEWS = [
    ("phone", PHONE, False),
    ("phone-dark", PHONE, True),
    ("desktop", DESKTOP, False),
    ("desktop-dark", DESKTOP, True),
]


@pytest.mark.parametrize("name", list(PAGES))
def test_a_page_is_whole_in_every_view(stage: Stage, name: str) -> None:
    for view, size, dark in VIEWS:
        page = stage.page(**size, dark=dark)
        complaints: list[str] = []
        page.on("console", lambda m, c=complaints: c.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda e, c=complaints: c.append(str(e)))
        foreign: list[str] = []
        page.on("request", lambda r, f=foreign: None if r.url.startswith((stage.address, "data:")) else f.append(r.url))
        page.goto(stage.address + _path(stage, PAGES[name]))
        page.wait_for_timeout(500 if "data-plot" in page.content() else 50)
        width, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        _keep(page, f"{name}.{view}")
        page.context.close()
        expected = {"not-found": 1}.get(name, 0)
        assert len(complaints) == expected, (view, complaints)
        assert foreign == [], view
        assert width <= room, f"{view}: {width} px on {room}"


def _path(stage: Stage, wanted: str) -> str:
    kind, _, number = wanted.partition(":")
    if kind == "customer":
        return stage.customer(int(number))
    return stage.visit(int(number)) if kind == "visit" else wanted


def _keep(page: Page, name: str) -> None:
    folder = os.environ.get("PREVENANT_SHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
