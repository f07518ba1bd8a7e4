"""A real browser shows what is pushed to it, one notification a message, and what it cannot do changes nothing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from domain.links import Purpose
from notify.channels.web_push import new_private_key, public_key
from tests.fakes.api_house import House
from tests.fakes.api_server import serving
from tests.fakes.api_story import morning
from tests.real import free_port, program

TOLD = {"id": "42-abc", "title": "Votre pompe se coupe trop souvent", "body": "Envoyer quelqu'un ?", "link": "/c/x"}
SHOWN = "navigator.serviceWorker.ready.then(worker => worker.getNotifications()).then(all => all.map(one => one.title))"


@pytest.fixture
def customer_page(tmp_path: Path):
    chromium, port = program("chromium"), free_port()
    house = House(tmp_path, public_url=f"http://127.0.0.1:{port}")
    house.app.state.services = replace(house.services, push_key=public_key(new_private_key()))
    morning(house)
    path = f"/c/{house.signer.token(Purpose.CUSTOMER, 4)}"
    with serving(house.app, port) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        context = browser.new_context(permissions=["notifications"])
        page = context.new_page()
        page.goto(address + path)
        yield page
        browser.close()
    house.close()


def test_a_push_is_shown_once_however_often_it_comes(customer_page) -> None:
    page = customer_page
    offer = page.locator("[data-push-to]")
    expect(offer).to_be_visible()
    offer.click()
    # No push service is in reach here: the worker stands, the offer stays.
    page.wait_for_function("navigator.serviceWorker.controller !== undefined && navigator.serviceWorker.ready")
    expect(offer).to_be_enabled()
    cdp = page.context.new_cdp_session(page)
    registrations: list[str] = []
    cdp.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda event: registrations.extend(one["registrationId"] for one in event["registrations"]),
    )
    cdp.send("ServiceWorker.enable")
    page.wait_for_timeout(200)
    origin = page.evaluate("location.origin")
    for _ in range(2):
        told = {"origin": origin, "registrationId": registrations[0], "data": json.dumps(TOLD)}
        cdp.send("ServiceWorker.deliverPushMessage", told)
    page.wait_for_function(f"{SHOWN}.then(all => all.length > 0)")
    assert page.evaluate(SHOWN) == [TOLD["title"]]
