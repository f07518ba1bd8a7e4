"""Words and coordinates that pages are made of."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from api.views import times
from api.views.chart import draw, limit_of
from api.views.customer_words import EN, FR
from api.views.links import with_links
from api.views.phrases import number, said
from api.views.states import COMMAND, MESSAGE, TICKET, VISIT
from api.views.technician_words import EN as TECHNICIAN_EN
from api.views.technician_words import FR as TECHNICIAN_FR
from domain.messages import MessageState
from domain.tickets import CommandState, TicketState, VisitState

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "english", "french"),
    [
        (NOW, "at 10:00", "à 10\u00a0h"),
        (NOW - timedelta(minutes=50), "at 9:10", "à 9\u00a0h\u00a010"),
        (NOW - timedelta(days=1), "yesterday at 10:00", "hier à 10\u00a0h"),
        (NOW - timedelta(days=3), "on Saturday at 10:00", "samedi à 10\u00a0h"),
        (NOW - timedelta(days=30), "on 1 February at 10:00", "le 1 février à 10\u00a0h"),
    ],
)
def test_a_moment_in_a_sentence(moment: datetime, english: str, french: str) -> None:
    assert times.moment_of(moment, PARIS, now=NOW) == english
    assert times.moment_of(moment, PARIS, now=NOW, language="fr") == french


def test_the_day_is_the_reader_s_day() -> None:
    late = datetime(2026, 3, 3, 22, 30, tzinfo=UTC)
    assert times.day(late + timedelta(minutes=45), PARIS, now=late) == "tomorrow"
    assert times.day(late + timedelta(minutes=45), ZoneInfo("UTC"), now=late) == "today"
    assert times.day(late - timedelta(hours=24), PARIS, now=late) == "yesterday"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "< 1 s"),
        (8, "8 s"),
        (59.9, "59 s"),
        (1200, "20 min"),
        (4200, "1 h 10 min"),
        (3600, "1 h"),
        (200_000, "2 d"),
    ],
)
def test_a_span_has_one_or_two_units(seconds: float, text: str) -> None:
    assert times.span(seconds) == text


def test_a_zone_that_nobody_knows_is_passed_over() -> None:
    assert times.zone_of(None, "Mars/Olympus", "", "Europe/Paris").key == "Europe/Paris"
    assert times.zone_of(None).key == "UTC"


@pytest.mark.parametrize(
    ("when", "limit"),
    [
        ("temp > 90", 90.0),
        ("temp >= 90.5 AND pressure < 2", 90.5),
        ("pressure < 2 AND temp > coalesce(max_temp, 95)", 80.0),
        ("temp > coalesce(other, 95)", 95.0),
        ("temp > max_temp", 80.0),
        ('"temp" < -4', -4.0),
        ("compressor_temp > 90", None),
        ("temp + 1 > 90", None),
        ("temp > name", None),
        (None, None),
    ],
)
def test_the_limit_is_read_where_it_is_plain(when: str | None, limit: float | None) -> None:
    assert limit_of(when, "temp", {"max_temp": 80, "name": "pump"}) == limit


def test_a_chart_breaks_where_the_device_was_silent() -> None:
    minutes = [*range(30), *range(90, 120)]
    chart = draw([(m * 60_000, float(m % 5)) for m in minutes], since_ms=0, until_ms=7_200_000, label="x")
    assert chart is not None
    assert len(chart.paths) == 2


def test_a_chart_of_a_flat_line_stands_and_of_nothing_does_not() -> None:
    flat = draw([(0, 5.0), (60_000, 5.0)], since_ms=0, until_ms=60_000, label="x", limit=5.0)
    assert flat is not None
    assert 0 < (flat.limit_y or 0) < flat.base_y
    assert draw([(0, 5.0)], since_ms=0, until_ms=1, label="x") is None
    assert draw([(0, "a"), (1, "b")], since_ms=0, until_ms=1, label="x") is None


def test_links_are_found_and_everything_else_is_escaped() -> None:
    html = str(with_links("See <b> http://prv.nt/c/2.ab-c_. “http://x.y/z”"))
    assert html.startswith('See &lt;b&gt; <a href="http://prv.nt/c/2.ab-c_">http://prv.nt/c/2.ab-c_</a>.')
    assert '<a href="http://x.y/z">http://x.y/z</a>”' in html


def test_numbers_and_phrases() -> None:
    assert [number(value) for value in (96.34, 0.125, 1234.5, True, "on", 80.0)] == [
        "96.3",
        "0.12",
        "1234",
        "yes",
        "on",
        "80",
    ]
    assert number(96.34, "°C", language="fr") == "96,3\u00a0°C"
    assert [said(words, "fr") for words in ({"fr": "a"}, {"en": "b"}, {"de": "c"}, {}, None)] == ["a", "b", "c", "", ""]


def test_both_languages_say_the_same_things() -> None:
    assert set(EN) == set(FR)
    assert set(TECHNICIAN_EN) <= set(TECHNICIAN_FR)
    for english, french in ((EN, FR), (TECHNICIAN_EN, TECHNICIAN_FR)):
        for key, text in english.items():
            assert _slots(french[key]) <= _slots(text) | {"who", "noun", "at", "title", "when"}, key


def test_every_state_has_a_word() -> None:
    for table, states in ((TICKET, TicketState), (VISIT, VisitState), (COMMAND, CommandState), (MESSAGE, MessageState)):
        assert set(table) == set(states)
    assert {f"state_{state}" for state in VisitState} <= set(TECHNICIAN_EN)


def _slots(text: str) -> set[str]:
    import string

    return {name for _, name, _, _ in string.Formatter().parse(text) if name}
