"""The e-mail in a real browser, as a phone shows it: readable, nothing sideways, nothing fetched, light and dark."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from domain.messages import Channel, MessageStage
from notify.render import Renderer
from tests.fakes.briefs import NOW, SHORT_LINK, brief
from tests.real import program

LONG = {"en": "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk pump", "fr": "pompe à chaleur " * 12}
SEEN = """() => [...document.querySelectorAll('h1, p, a, div')]
    .filter(one => one.innerText && one.children.length === 0 && one.offsetHeight > 2)
    .map(one => {
        let below = one, paper
        do { paper = getComputedStyle(below).backgroundColor; below = below.parentElement }
        while (below && paper === 'rgba(0, 0, 0, 0)')
        return [one.innerText, getComputedStyle(one).color, paper]
    })"""
"""Each piece of text with the colour of its ink and of what it stands on."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def luminance(css: str) -> float:
    """Relative luminance (WCAG 2.2) of `rgb(r, g, b)`."""
    parts = [int(part.partition(".")[0]) / 255 for part in css.partition("(")[2].rstrip(")").split(",")[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_mail_is_readable_on_a_phone(browser: Browser, language: str, dark: bool) -> None:
    told = brief(MessageStage.OPENING, language=language, noun=LONG, unsubscribe="https://prv.nt/u/1.abc")
    content = Renderer().render(MessageStage.OPENING, told, channel=Channel.EMAIL, now=NOW).content
    page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme="dark" if dark else "light")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_content(content.html)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert asked == []
    seen = page.evaluate(SEEN)
    assert len(seen) >= 5
    for words, ink, paper in seen:
        lighter, darker = sorted((luminance(ink), luminance(paper)), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, words
        assert (luminance(paper) < 0.5) == dark or "Tell us" in words or "Dire ce" in words, words
    button = page.locator(f'a[href="{SHORT_LINK}"]').bounding_box()
    assert button is not None
    assert button["height"] >= 44  # a thumb
    page.close()
