"""Every page in a real browser: nothing breaks, nothing comes from elsewhere, nothing scrolls sideways on a phone."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from domain.links import Purpose
from store.tables import CauseRow
from tests.fakes.api_house import TOKEN, House
from tests.fakes.api_server import serving
from tests.fakes.api_story import Story, morning
from tests.real import free_port, program

PHONE = {"width": 360, "height": 780}
DESKTOP = {"width": 1440, "height": 900}


VIEWS = {
    "phone": (PHONE, False),
    "phone-dark": (PHONE, True),
    "desktop": (DESKTOP, False),
    "desktop-dark": (DESKTOP, True),
}


@dataclass
class Stage:
    """A served house with a story in it, and a browser."""

    address: str
    house: House
    story: Story
    browser: Browser

    views: dict[str, BrowserContext] = field(default_factory=dict)

    def page(self, view: str = "desktop") -> Page:
        """A page of a browser that has shown the token."""
        if view not in self.views:
            size, dark = VIEWS[view]
            context = self.browser.new_context(viewport=size, color_scheme="dark" if dark else "light", locale="en-GB")
            context.request.get(f"{self.address}/?token={TOKEN}")
            self.views[view] = context
        return self.views[view].new_page()

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
    _asked(house)
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


def _asked(house: House) -> None:
    """One cause waits for a word, another has had it."""
    now = house.clock.now()
    asked = {"since": now, "last_at": now, "wanted_at": now, "ticket_id": 2}
    with house.database.write() as session:
        session.add(CauseRow(key="firmware:heatpump-x:2.1", told=50, state="waiting", **asked))
        session.add(
            CauseRow(
                key="rule:boiler-smoke:3",
                told=50,
                state="approved",
                decided_at=now,
                decided_by="Claire",
                note="the whole street",
                **asked,
            )
        )


PAGES = {
    "console": "/",
    "tickets": "/tickets?show=all",
    "ticket-visit": "/tickets/2",
    "ticket-person": "/tickets/3",
    "devices": "/devices",
    "device": "/devices/hp-camille",
    "sandbox": "/sandbox",
    "rules": "/rules",
    "rule": "/rules/compressor-overheat",
    "status": "/status",
    "templates": "/templates?moment=visit_confirmed&language=fr&sample=accents",
    "templates-mail": "/templates?moment=opening&channel=email",
    "templates-call": "/templates?moment=safety&channel=voice&language=fr&sample=danger",
    "customer-visit": "customer:2",
    "customer-told": "customer:4",
    "customer-english": "customer:3",
    "customer-over": "customer:1",
    "technician": "visit:1",
    "unsubscribe": "unsubscribe:4",
    "person": "person:c-camille",
    "approvals": "/approvals",
    "not-found": "/nothing/here",
}


@pytest.mark.parametrize("name", list(PAGES))
def test_a_page_is_whole_in_every_view(stage: Stage, name: str) -> None:
    # All four are for the designer's eye; two of them cover every size and colour.
    for view in VIEWS if os.environ.get("PREVENANT_SHOTS") else ("phone", "desktop-dark"):
        page = stage.page(view)
        complaints: list[str] = []
        page.on("console", lambda m, c=complaints: c.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda e, c=complaints: c.append(str(e)))
        foreign: list[str] = []
        page.on("request", lambda r, f=foreign: None if r.url.startswith((stage.address, "data:")) else f.append(r.url))
        page.goto(stage.address + _path(stage, PAGES[name]))
        page.wait_for_timeout(500 if "data-plot" in page.content() or "srcdoc" in page.content() else 50)
        width, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        _keep(page, f"{name}.{view}")
        page.close()
        expected = {"not-found": 1}.get(name, 0)
        assert len(complaints) == expected, (view, complaints)
        assert foreign == [], view
        assert width <= room, f"{view}: {width} px on {room}"


def _path(stage: Stage, wanted: str) -> str:
    kind, _, number = wanted.partition(":")
    if kind == "customer":
        return stage.customer(int(number))
    if kind == "person":
        return f"/p/{stage.house.signer.name_token(Purpose.PERSON, number)}"
    if kind == "unsubscribe":
        return f"/u/{stage.house.signer.token(Purpose.UNSUBSCRIBE, int(number))}"
    return stage.visit(int(number)) if kind == "visit" else wanted


def _keep(page: Page, name: str) -> None:
    folder = os.environ.get("PREVENANT_SHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_the_wall_follows_what_happens_without_being_asked(stage: Stage) -> None:
    page = stage.page()
    page.goto(stage.address)
    expect(page.locator(".wall")).not_to_contain_text("Oliver Bennett")
    before = int(page.locator("#rail a[href='/tickets'] span").inner_text())
    page.wait_for_timeout(500)
    stage.story.fires("hp-oliver", "pressure-drift", {"pressure": 1.05})
    expect(page.locator(".wall")).to_contain_text("Oliver Bennett", timeout=8000)
    expect(page.locator(".feed li[data-new]").first).to_be_visible()
    expect(page.locator("#rail a[href='/tickets'] span")).to_have_text(str(before + 1))
    page.close()


def test_the_customer_answers_with_one_tap(stage: Stage) -> None:
    page = stage.page("phone")
    page.goto(stage.address + stage.customer(4))
    page.get_by_role("button", name="Envoyer quelqu'un").click()
    expect(page.get_by_role("status")).to_have_text("Merci, c'est noté.")
    expect(page.get_by_role("button", name="Envoyer quelqu'un")).to_have_count(0)
    page.close()


def test_the_sandbox_answers_in_place(stage: Stage) -> None:
    page = stage.page()
    page.goto(f"{stage.address}/sandbox")
    phone = page.locator("#phone-customer-c-sophie")  # who was told something in the story's morning
    phone.get_by_role("button", name=re.compile("^3")).click()
    expect(phone.locator(".bubble.out").last).to_have_text("3", timeout=8000)
    page.close()


def test_what_is_being_written_survives_the_news(stage: Stage) -> None:
    page = stage.page()
    page.goto(f"{stage.address}/tickets/3")
    page.get_by_label("Comment").fill("Half a sen")
    stage.house.client.post("/v1/tickets/3/comments", json={"text": "from elsewhere"})
    expect(page.locator(".timeline")).to_contain_text("from elsewhere", timeout=8000)
    expect(page.get_by_label("Comment")).to_have_value("Half a sen")
    page.close()


def test_a_chart_is_drawn_and_can_be_read(stage: Stage) -> None:
    page = stage.page()
    page.goto(f"{stage.address}/tickets/2")
    expect(page.locator(".plot canvas")).to_be_visible()
    assert page.locator(".plot").bounding_box()["height"] > 150
    page.close()


def test_everything_on_the_desk_can_be_reached_by_keyboard(stage: Stage) -> None:
    page = stage.page()
    page.goto(f"{stage.address}/tickets/3")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.close()


def test_words_are_tried_as_they_are_typed_and_a_choice_shows_others(stage: Stage) -> None:
    page = stage.page()
    page.goto(f"{stage.address}/templates?moment=opening&language=fr")
    words = page.locator("textarea[name=part_text]")
    words.fill("{{ maker }} : un contrôle de votre {{ noun }}. {{ link }}")
    expect(page.locator(".bubble")).to_contain_text("Thermia : un contrôle de votre pompe.", timeout=8000)
    expect(page.locator(".bubble mark")).to_have_text("ô")
    expect(page.locator(".culprit")).to_contain_text("vérification")
    words.fill("{{ maker }} : {{ pompe")
    expect(page.get_by_role("alert")).to_contain_text("line 1", timeout=8000)
    page.get_by_label("Channel").select_option("email")
    framed = page.frame_locator("iframe[title='On a phone, dark']")
    expect(framed.locator("h1")).to_have_text("Votre pompe se coupe trop souvent", timeout=8000)
    paper = framed.locator("body").evaluate("e => getComputedStyle(e).backgroundColor")
    assert paper == "rgb(20, 19, 18)"
    page.close()


def test_pages_are_readable_without_scripts(stage: Stage) -> None:
    context = stage.browser.new_context(viewport=PHONE, java_script_enabled=False)
    page = context.new_page()
    page.goto(stage.address + stage.customer(2))
    expect(page.get_by_role("heading", level=1)).to_have_text("Votre pompe à chaleur chauffe trop")
    page.locator("#chart summary").click()
    expect(page.locator("#chart svg.chart")).to_be_visible()
    context.close()
