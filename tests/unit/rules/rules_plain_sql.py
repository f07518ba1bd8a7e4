"""A plain-Python reading of the expression language: random expressions beside functions that evaluate one row."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import add, ge, gt, le, lt, mul, sub

from hypothesis import strategies as st

Value = float | bool | str | None
Row = Mapping[str, Value]

NUMBERS = (0.0, 1.0, -1.0, 2.0, 2.5, -2.5, 3.0, 0.5, 90.0, 1e-300, 1e200, -1e200, 1.7e308)
STRINGS = ("", "a", "b", "X1", "X12", "a%b", "é")


@dataclass(frozen=True)
class Piece:
    """An expression as text, and what it says of a row."""

    text: str
    value: Callable[[Row], Value]


def finite(compute: Callable[[], float]) -> float | None:
    """The contract's arithmetic: a result that is no finite number is NULL."""
    try:
        found = compute()
    except (ArithmeticError, ValueError):
        return None
    return found if isinstance(found, float) and math.isfinite(found) else None


def lifted(compute: Callable[..., float]) -> Callable[..., float | None]:
    """NULL in, NULL out."""
    return lambda *values: None if None in values else finite(lambda: compute(*values))


def both(left: Value, right: Value) -> Value:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def either(left: Value, right: Value) -> Value:
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


def negated(value: Value) -> Value:
    return None if value is None else not value


def equal(left: Value, right: Value) -> Value:
    return None if left is None or right is None else left == right


def ordered(compare: Callable[..., bool]) -> Callable[[Value, Value], Value]:
    return lambda left, right: None if left is None or right is None else compare(left, right)


def within(value: Value, members: list[Value]) -> Value:
    found: Value = False
    for member in members:
        found = either(found, equal(value, member))
    return found


def like(value: Value, pattern: str) -> Value:
    """By recursion, not by a regular expression, so that it fails in other ways than what it checks."""
    if value is None:
        return None
    assert isinstance(value, str)
    if not pattern:
        return not value
    if pattern[0] == "%":
        return any(like(value[start:], pattern[1:]) for start in range(len(value) + 1))
    return bool(value) and (pattern[0] in {"_", value[0]}) and bool(like(value[1:], pattern[1:]))


def round_half_away(value: float) -> float:
    return math.copysign(math.floor(abs(value) + 0.5), value) if abs(value) < 1e15 else value


def _binary(symbol: str, compute: Callable[..., Value]) -> Callable[[tuple[Piece, Piece]], Piece]:
    return lambda pair: Piece(
        f"({pair[0].text} {symbol} {pair[1].text})", lambda row: compute(pair[0].value(row), pair[1].value(row))
    )


def _call(name: str, compute: Callable[..., Value]) -> Callable[[tuple[Piece, ...]], Piece]:
    return lambda parts: Piece(
        f"{name}({', '.join(part.text for part in parts)})", lambda row: compute(*(part.value(row) for part in parts))
    )


def _present(values: tuple[Value, ...]) -> list[Value]:
    return [value for value in values if value is not None]


def _choices(items: st.SearchStrategy[Piece]) -> list[st.SearchStrategy[Piece]]:
    """What is there for values of any kind."""
    several = st.lists(items, min_size=1, max_size=3).map(tuple)
    return [
        several.map(_call("COALESCE", lambda *values: next(iter(_present(values)), None))),
        st.tuples(items, items).map(_call("nullif", lambda a, b: None if equal(a, b) is True else a)),
    ]


def _null() -> Piece:
    return Piece("NULL", lambda row: None)


def _column(name: str) -> Piece:
    return Piece(f'"{name}"', lambda row: row[name])


def _number(value: float) -> Piece:
    return Piece(repr(abs(value)) if value >= 0 else f"-{abs(value)!r}", lambda row: value)


def _string(value: str) -> Piece:
    return Piece("'" + value.replace("'", "''") + "'", lambda row: value)


def numbers(*, exact: bool = True) -> st.SearchStrategy[Piece]:
    """Numeric expressions; `exact` leaves out functions whose last digit depends on the library."""
    leaves = st.one_of(
        st.sampled_from(["x", "y", "a.b"]).map(_column), st.sampled_from(NUMBERS).map(_number), st.builds(_null)
    )

    def grow(items: st.SearchStrategy[Piece]) -> st.SearchStrategy[Piece]:
        pair, one, several = (
            st.tuples(items, items),
            st.tuples(items),
            st.lists(items, min_size=1, max_size=3).map(tuple),
        )
        forms = [
            *(pair.map(_binary(symbol, lifted(op))) for symbol, op in (("+", add), ("-", sub), ("*", mul))),
            pair.map(_binary("/", lifted(lambda a, b: a / b))),
            pair.map(_binary("%", lifted(math.fmod))),
            one.map(_call("-", lifted(lambda a: -a))),
            one.map(_call("ABS", lifted(abs))),
            one.map(_call("FLOOR", lifted(lambda a: float(math.floor(a))))),
            one.map(_call("CEIL", lifted(lambda a: float(math.ceil(a))))),
            one.map(_call("ROUND", lifted(round_half_away))),
            one.map(_call("SIGN", lifted(lambda a: float((a > 0) - (a < 0))))),
            one.map(_call("SQRT", lifted(math.sqrt))),
            several.map(_call("LEAST", lambda *values: min(_present(values), default=None))),  # type: ignore[type-var]
            several.map(_call("GREATEST", lambda *values: max(_present(values), default=None))),  # type: ignore[type-var]
            *_choices(items),
            st.tuples(simple_conditions(), items, items).map(_case),
        ]
        if not exact:
            forms += [
                pair.map(_call("POWER", lifted(math.pow))),
                one.map(_call("LN", lifted(math.log))),
                one.map(_call("EXP", lifted(math.exp))),
            ]
        return st.one_of(forms)

    return st.recursive(leaves, grow, max_leaves=6)


def _case(parts: tuple[Piece, Piece, Piece]) -> Piece:
    test, then, otherwise = parts
    return Piece(
        f"CASE WHEN {test.text} THEN {then.text} ELSE {otherwise.text} END",
        lambda row: then.value(row) if test.value(row) is True else otherwise.value(row),
    )


def simple_conditions() -> st.SearchStrategy[Piece]:
    return st.one_of(
        st.just(_column("door")), st.just(Piece("TRUE", lambda row: True)), st.builds(_null).map(lambda null: null)
    )


def strings() -> st.SearchStrategy[Piece]:
    leaves = st.one_of(
        st.sampled_from(["s", "t"]).map(_column), st.sampled_from(STRINGS).map(_string), st.builds(_null)
    )
    return st.recursive(leaves, lambda items: st.one_of(_choices(items)), max_leaves=3)


def conditions() -> st.SearchStrategy[Piece]:
    """Boolean expressions over all of it."""
    number, string = numbers(), strings()
    compare = [("<", lt), ("<=", le), (">", gt), (">=", ge)]
    leaves = st.one_of(
        simple_conditions(),
        *(st.tuples(number, number).map(_binary(symbol, ordered(op))) for symbol, op in compare),
        *(st.tuples(string, string).map(_binary(symbol, ordered(op))) for symbol, op in compare),
        *(st.tuples(kind, kind).map(_binary("=", equal)) for kind in (number, string, simple_conditions())),
        *(st.tuples(kind, kind).map(_binary("<>", lambda a, b: negated(equal(a, b)))) for kind in (number, string)),
        *(st.tuples(kind, st.lists(kind, min_size=1, max_size=3)).map(_in) for kind in (number, string)),
        *(st.tuples(kind, kind, kind).map(_between) for kind in (number, string)),
        st.tuples(string, st.text("aX1%_b", max_size=4)).map(_like),
        *(kind.map(_is_null) for kind in (number, string)),
    )

    def grow(items: st.SearchStrategy[Piece]) -> st.SearchStrategy[Piece]:
        return st.one_of(
            st.tuples(items, items).map(_binary("AND", both)),
            st.tuples(items, items).map(_binary("OR", either)),
            st.tuples(items).map(_call("NOT ", negated)),
            st.tuples(items, items, items).map(_case),
            *_choices(items),
        )

    return st.recursive(leaves, grow, max_leaves=5)


def _in(parts: tuple[Piece, list[Piece]]) -> Piece:
    value, members = parts
    listed = ", ".join(member.text for member in members)
    return Piece(
        f"({value.text} IN ({listed}))", lambda row: within(value.value(row), [member.value(row) for member in members])
    )


def _between(parts: tuple[Piece, Piece, Piece]) -> Piece:
    value, low, high = parts
    at_least, at_most = ordered(ge), ordered(le)
    return Piece(
        f"({value.text} BETWEEN {low.text} AND {high.text})",
        lambda row: both(at_least(value.value(row), low.value(row)), at_most(value.value(row), high.value(row))),
    )


def _like(parts: tuple[Piece, str]) -> Piece:
    value, pattern = parts
    return Piece(f"({value.text} LIKE '{pattern}')", lambda row: like(value.value(row), pattern))


def _is_null(piece: Piece) -> Piece:
    return Piece(f"({piece.text} IS NULL)", lambda row: piece.value(row) is None)


def rows() -> st.SearchStrategy[list[dict[str, Value]]]:
    maybe = st.none()
    number = st.one_of(maybe, st.sampled_from(NUMBERS))
    return st.lists(
        st.fixed_dictionaries(
            {
                "x": number,
                "y": number,
                "a.b": number,
                "s": st.one_of(maybe, st.sampled_from(STRINGS)),
                "t": st.one_of(maybe, st.sampled_from(STRINGS)),
                "door": st.one_of(maybe, st.booleans()),
            }
        ),
        min_size=1,
        max_size=4,
    )
