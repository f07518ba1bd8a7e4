"""What the importer proves of two conditions is so for every value; and expressions become the SQL they mean."""

import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.iot_events.expressions import Binary, Expr, Input, Literal, Unary, parse_expression
from rules.iot_events.logic import both, either, exclusive, implies, negated, opposite, same
from rules.iot_events.translation import Names, Untranslatable, names_for, to_sql

X, Y = Input("A", ("x",)), Input("A", ("y",))
VALUES = [0, 1, 1.5, 2, 3]
OPERATORS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def comparison(drawn: tuple[str, Expr, int, bool]) -> Expr:
    sign, side, number, mirrored = drawn
    return Binary(sign, Literal(number), side) if mirrored else Binary(sign, side, Literal(number))


CONDITIONS = st.recursive(
    st.tuples(
        st.sampled_from(sorted(OPERATORS)), st.sampled_from([X, X, Y]), st.sampled_from([1, 2]), st.booleans()
    ).map(comparison),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["&&", "||"]), inner, inner).map(lambda t: Binary(*t)),
        inner.map(lambda each: Unary("!", each)),
    ),
    max_leaves=4,
)


def truth(expr: Expr, x: float, y: float) -> Any:
    match expr:
        case Literal(value):
            return value
        case Input(_, path):
            return x if path == ("x",) else y
        case Unary(_, operand):
            return not truth(operand, x, y)
        case Binary("&&", left, right):
            return truth(left, x, y) and truth(right, x, y)
        case Binary("||", left, right):
            return truth(left, x, y) or truth(right, x, y)
        case Binary(sign, left, right):
            return OPERATORS[sign](truth(left, x, y), truth(right, x, y))
    raise AssertionError(expr)


@given(CONDITIONS, CONDITIONS)
def test_proofs_hold_for_every_value(one: Expr, other: Expr) -> None:
    for x in VALUES:
        for y in VALUES:
            a, b = truth(one, x, y), truth(other, x, y)
            assert truth(negated(one), x, y) is not a
            assert truth(both([one, other]), x, y) == (a and b)
            assert truth(either([one, other]), x, y) == (a or b)
            assert not same(one, other) or a == b
            assert not opposite(one, other) or a != b
            assert not implies(one, other) or b or not a
            assert not exclusive(one, other) or not (a and b)


@pytest.mark.parametrize(
    ("one", "other"),
    [("$input.A.x > 90", "$input.A.x > 70"), ("$input.A.x == 5", "$input.A.x >= 5"),
     ("80 < $input.A.x", "$input.A.x >= 80"),
     ("$input.A.m == 'on' && $input.A.x > 3", "$input.A.m == 'on'"), ("$input.A.m == 'on'", "$input.A.m != 'off'")],
)  # fmt: skip
def test_a_condition_within_another_is_seen(one: str, other: str) -> None:
    assert implies(parse_expression(one), parse_expression(other))
    assert exclusive(parse_expression(one), negated(parse_expression(other)))


def test_opposites_are_seen_through_their_writing() -> None:
    assert opposite(parse_expression("$input.A.ok == false"), parse_expression("$input.A.ok"))
    assert opposite(
        parse_expression("!($input.A.x > 3 && $input.A.y)"), parse_expression("$input.A.y && 3 < $input.A.x")
    )


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("$input.A.x > 3 && $input.A.y <= 2 || !($input.A.z)", "x > 3 AND y <= 2 OR NOT z"),
        ("($input.A.x > 3 || $input.A.y < 2) && $input.A.z", "(x > 3 OR y < 2) AND z"),
        ('$input.A.a.b == "it\'s"', "\"a.b\" = 'it''s'"),
        ("$input.A.`my temp` != 3.5", '"my temp" <> 3.5'),
        ("$input.A.order + 2 * $input.A.case > -1", 'order + 2 * "case" > -1'),
        ("isUndefined($input.A.x)", "x IS NULL"),
        ("startsWith($input.A.s, 'off') || endsWith($input.A.s, 'line')", "s LIKE 'off%' OR s LIKE '%line'"),
        ('contains($input.A.s, "fli")', "s LIKE '%fli%'"),
        ("convert(Decimal, $input.A.x) >= floor($input.A.y)", "x >= FLOOR(y)"),
        ("$input.A.x - ($input.A.y - 1) > 0", "x - (y - 1) > 0"),
        ("$input.A.x / ($input.A.y * 2.0) > 1", "x / (y * 2.0) > 1"),
        ("max($input.A.x, $input.A.y) > 1", "GREATEST(x, y) > 1"),
    ],
)
def test_an_expression_becomes_the_sql_it_means(text: str, sql: str) -> None:
    expr = parse_expression(text)
    assert to_sql(expr, names_for([expr], "")) == sql


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("bitand($input.A.x, 4) == 4", "the function bitand"),
        ("($input.A.x & 4) == 4", "bits of integers"),
        ("$input.A.x == $variable.last", "the variable 'last'"),
        ("'a' + $input.A.s == 'ab'", "joining texts"),
        ("$input.A.list[2] > 3", "an item of an array is no metric"),
        ("contains($input.A.s, '100%')", "anything but a plain text"),
        ("$input.A.id == 'x'", "the device id"),
        ("convert(String, $input.A.x) == '3'", "convert to a text"),
    ],
)
def test_what_has_no_counterpart_says_so(text: str, reason: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        to_sql(parse_expression(text), Names(key="id"))
    assert reason in caught.value.reason


def test_two_inputs_with_one_path_are_told_apart() -> None:
    expr = parse_expression("$input.Oil.temp > 3 && $input.Water.temp > 3")
    names = names_for([expr], "")
    assert to_sql(expr, names) == '"Oil.temp" > 3 AND "Water.temp" > 3'
    assert "publish this one as Oil.temp" in " ".join(names.remarks)
