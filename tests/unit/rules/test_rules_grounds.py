"""The parts of a condition over one row say what plain three-valued logic says, over the whole language."""

from hypothesis import given, settings

from rules.expressions import parse
from rules.grounds import Row
from rules.model import Kind, Rule
from rules.probes import probes
from rules.reasons import Firing, explain
from tests.unit.rules.rules_plain_sql import Piece, conditions, rows
from tests.unit.rules.rules_plain_sql import Row as PlainRow

NUMBERS, TEXTS = dict.fromkeys(("x", "y", "a.b"), Kind.NUMBER), dict.fromkeys(("s", "t"), Kind.STRING)
KINDS = {**NUMBERS, **TEXTS, "door": Kind.BOOLEAN}


@settings(max_examples=200, deadline=None)
@given(conditions(), rows())
def test_a_row_is_judged_as_plain_logic_judges_it(piece: Piece, table: list[PlainRow]) -> None:
    for values in table[:3]:
        present = {name: value for name, value in values.items() if value is not None}
        assert Row.of(parse(piece.text), present).truth() == piece.value(values), piece.text


@settings(max_examples=200, deadline=None)
@given(conditions(), rows())
def test_whatever_fires_has_words_in_both_languages(piece: Piece, table: list[PlainRow]) -> None:
    for values in table[:3]:
        present = {name: value for name, value in values.items() if value is not None}
        found = explain(Firing(Rule(name="r", when=piece.text), present, attributes=("y", "t")))
        english, french = (found.why[language].clauses for language in ("en", "fr"))
        assert len(english) == len(french)
        for clause in (*english, *french):
            assert clause.strip()
            assert "None" not in clause
        holds = [one.holds for one in found.comparisons]
        assert {*holds} <= {True, False, None}


@settings(max_examples=100, deadline=None)
@given(conditions())
def test_every_part_can_be_probed(piece: Piece) -> None:
    for probe in probes(parse(piece.text), KINDS):
        assert probe.text
