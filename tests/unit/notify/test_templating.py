"""The language of templates: small enough to be safe, and its errors say where and what would be right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import SourceError
from notify import templating
from notify.phrasebook import TEMPLATES
from notify.templating import absent, compile_blocks, compile_whole, mistakes

NAMES = ("maker", "noun", "items", "technician")


@pytest.fixture(scope="module")
def environment():
    return templating.environment(TEMPLATES)


@pytest.mark.parametrize(
    ("text", "line", "problem", "cure"),
    [
        ("{{ maker }", 1, "unexpected '}'", "look at"),
        ("Hello,\n\n{{ tecnician }} comes", 3, "nobody knows 'tecnician'", "did you mean technician?"),
        ("{{ zebra }}", 1, "nobody knows 'zebra'", "known are: items, maker, noun, technician"),
        ("a\n{{ maker|uper }}", 2, "there is no filter 'uper'", "did you mean upper?"),
        ("{% if maker is foo %}x{% endif %}", 1, "there is no test 'foo'", "tests are: "),
        ("{% if maker %}x", 1, "unexpected end of template", "look at"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_its_cure(environment, text, line, problem, cure):
    (found,) = mistakes(environment, text, names=NAMES, file="sms/x.txt", key="fr")
    assert (found.file, found.line, found.key) == ("sms/x.txt", line, "fr")
    assert found.problem.startswith(problem)
    assert found.cure.startswith(cure)


@pytest.mark.parametrize(
    "text",
    [
        "{{ maker.__class__ }}",
        "{{ maker.format(noun) }}",
        "{{ 'a' * 999999999 }}",
        "{{ 2 ** 9999999 }}",
        "{% for a in items %}{% for b in items %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% endfor %}",
        "{% include 'other' %}",
        "{% import 'other' as x %}",
        "{% extends 'other' %}",
        "{% macro x() %}{% endmacro %}",
        "{% set maker = 1 %}",
        "{{ self }}",
        "{{ items[0] }}",
        "{{ maker|attr('x') }}",
        "{{ '%9999999d'|format(1) }}",
        "{{ noun|center(99999999) }}",
    ],
)
def test_a_template_can_neither_compute_nor_call_nor_reach_anything(environment, text):
    assert list(mistakes(environment, text, names=NAMES))


def test_what_wording_needs_is_allowed(environment):
    text = (
        "{# for colleagues #}{% if technician and noun != 'x' %}{{ technician|upper }}{% elif not items %}-{% else %}"
        "{% for item in items %}{{ item.noun or 'thing' }}{% if not loop.last %}, {% endif %}{% endfor %}{% endif %}"
        "{{ technician|default('somebody') }}{{ maker ~ noun }}{{ 'a' if maker else 'b' }}"
    )
    assert not list(mistakes(environment, text, names=NAMES))
    facts = {"maker": "M", "noun": "n", "items": [{"noun": "p"}, {"noun": "q"}], "technician": absent("technician")}
    assert compile_whole(environment, text, file="f", names=NAMES).render(facts) == "p, qsomebodyMna"


def test_a_fact_that_is_not_known_may_be_asked_for_but_not_printed(environment):
    part = compile_whole(environment, "{% if noun %}x{% endif %}\n{{ maker }}\n{{ noun }}", file="f", names=NAMES)
    with pytest.raises(SourceError, match="noun is not known every time; ask first") as caught:
        part.render({"maker": "M", "noun": absent("noun")})
    assert caught.value.line == 3


@pytest.mark.parametrize("value", ["text", 3, None, object()])
def test_whatever_a_template_raises_is_an_error_with_its_line(environment, value):
    part = compile_whole(environment, "x\n{% if maker < noun %}y{% endif %}", file="f", names=NAMES)
    with pytest.raises(SourceError) as caught:
        part.render({"maker": value, "noun": "n" if value != "text" else 3})
    assert caught.value.line == 2


def test_a_missing_block_is_named(environment):
    with pytest.raises(SourceError, match="no block 'button'"):
        compile_blocks(environment, "{% block body %}x{% endblock %}", file="f", names=NAMES, wanted=("body", "button"))


@given(st.text(max_size=60) | st.text(alphabet="{}%#| ._'\"()[]~abmakernou", max_size=40))
def test_any_text_is_a_template_or_a_named_mistake(text):
    made = templating.environment(TEMPLATES)
    found = list(mistakes(made, text, names=NAMES, file="f"))
    assert all(one.line >= 1 and one.problem for one in found)
    if not found:
        made.from_string(text)
