"""The naive evaluator of rule expressions: one row, one tree, three-valued logic, nothing clever."""

import math
import re
from collections.abc import Callable, Mapping, Sequence

import sqlglot
from sqlglot import exp

Value = float | bool | str | None
Row = Mapping[str, Value]


def names_in(text: str) -> frozenset[str]:
    """Every column name that the expression holds, as written."""
    return frozenset(column.name for column in sqlglot.parse_one(text).find_all(exp.Column))


def evaluate(text: str, row: Row) -> Value:
    """The value of the SQL expression `text` on `row`; a name that the row lacks is NULL."""
    return _value(sqlglot.parse_one(text), row)


def compiled(text: str) -> Callable[[Row], Value]:
    """`evaluate` with the parsing done once."""
    tree = sqlglot.parse_one(text)
    return lambda row: _value(tree, row)


def finite(value: Value) -> Value:
    """Arithmetic that is not a finite number is NULL."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def and_(values: Sequence[Value]) -> Value:
    if any(value is False for value in values):
        return False
    return None if any(value is None for value in values) else True


def or_(values: Sequence[Value]) -> Value:
    if any(value is True for value in values):
        return True
    return None if any(value is None for value in values) else False


def not_(value: Value) -> Value:
    return None if value is None else not value


def _value(node: exp.Expression, row: Row) -> Value:
    result = _RULES[type(node)](node, row)
    return not_(result) if node.args.get("negate") else result


def _args(node: exp.Expression, row: Row) -> list[Value]:
    """The values of `this`, `expression` and `expressions`, in that order, as far as the node has them."""
    children = [node.args.get("this"), node.args.get("expression"), *(node.args.get("expressions") or [])]
    return [_value(child, row) for child in children if isinstance(child, exp.Expression)]


def _literal(node: exp.Expression, _row: Row) -> Value:
    return str(node.this) if node.is_string else float(node.this)


def _strict(function: Callable[..., Value]) -> Callable[[exp.Expression, Row], Value]:
    """NULL if any argument is NULL or the arithmetic has no finite result."""

    def rule(node: exp.Expression, row: Row) -> Value:
        values = _args(node, row)
        if any(value is None for value in values):
            return None
        try:
            result = function(*values)
        except (ArithmeticError, ValueError):
            return None
        if isinstance(result, complex):
            return None
        return finite(result)

    return rule


def _round(value: float, digits: float = 0.0) -> float:
    """Half away from zero."""
    scale = 10.0**digits
    return math.copysign(math.floor(abs(value) * scale + 0.5), value) / scale


def _sign(value: float) -> float:
    return float((value > 0) - (value < 0))


def _case(node: exp.Expression, row: Row) -> Value:
    """Searched, or with an operand that each WHEN is compared with."""
    operand = node.args.get("this")
    for branch in node.args["ifs"]:
        test = _value(branch.this, row)
        if operand is not None:
            subject = _value(operand, row)
            test = None if subject is None or test is None else subject == test
        if test is True:
            return _value(branch.args["true"], row)
    default = node.args.get("default")
    return None if default is None else _value(default, row)


def _in(node: exp.Expression, row: Row) -> Value:
    """`x IN (a, b)` is `x = a OR x = b`."""
    subject = _value(node.this, row)
    members = [_value(member, row) for member in node.expressions]
    return or_([None if subject is None or member is None else subject == member for member in members])


def _between(node: exp.Expression, row: Row) -> Value:
    """`x BETWEEN a AND b` is `x >= a AND x <= b`."""
    subject, low, high = (_value(node.args[key], row) for key in ("this", "low", "high"))
    above = None if subject is None or low is None else subject >= low  # type: ignore[operator]
    below = None if subject is None or high is None else subject <= high  # type: ignore[operator]
    return and_([above, below])


def _like(value: str, pattern: str) -> bool:
    parts = (".*" if char == "%" else "." if char == "_" else re.escape(char) for char in pattern)
    return re.fullmatch("".join(parts), value, re.DOTALL) is not None


def _present(node: exp.Expression, row: Row) -> list[Value]:
    return [value for value in _args(node, row) if value is not None]


def _nullif(node: exp.Expression, row: Row) -> Value:
    first, second = _args(node, row)
    return None if first is not None and first == second else first


def _round_rule(node: exp.Expression, row: Row) -> Value:
    digits = node.args.get("decimals")
    values = [_value(node.this, row), 0.0 if digits is None else _value(digits, row)]
    return None if None in values else finite(_round(*values))  # type: ignore[arg-type]


_RULES: dict[type[exp.Expression], Callable[[exp.Expression, Row], Value]] = {
    exp.Literal: _literal,
    exp.Boolean: lambda node, _row: bool(node.this),
    exp.Null: lambda _node, _row: None,
    exp.Column: lambda node, row: row.get(node.name),
    exp.Paren: lambda node, row: _value(node.this, row),
    exp.And: lambda node, row: and_(_args(node, row)),
    exp.Or: lambda node, row: or_(_args(node, row)),
    exp.Not: lambda node, row: not_(_value(node.this, row)),
    exp.Is: lambda node, row: _value(node.this, row) is None,
    exp.EQ: _strict(lambda a, b: a == b),
    exp.NEQ: _strict(lambda a, b: a != b),
    exp.LT: _strict(lambda a, b: a < b),
    exp.LTE: _strict(lambda a, b: a <= b),
    exp.GT: _strict(lambda a, b: a > b),
    exp.GTE: _strict(lambda a, b: a >= b),
    exp.Add: _strict(lambda a, b: a + b),
    exp.Sub: _strict(lambda a, b: a - b),
    exp.Mul: _strict(lambda a, b: a * b),
    exp.Div: _strict(lambda a, b: a / b),
    exp.Mod: _strict(math.fmod),
    exp.Neg: _strict(lambda a: -a),
    exp.Abs: _strict(abs),
    exp.Round: _round_rule,
    exp.Floor: _strict(lambda a: float(math.floor(a))),
    exp.Ceil: _strict(lambda a: float(math.ceil(a))),
    exp.Sign: _strict(_sign),
    exp.Sqrt: _strict(math.sqrt),
    exp.Pow: _strict(math.pow),
    exp.Ln: _strict(math.log),
    exp.Exp: _strict(math.exp),
    exp.Like: _strict(_like),
    exp.In: _in,
    exp.Between: _between,
    exp.Case: _case,
    exp.Coalesce: lambda node, row: next(iter(_present(node, row)), None),
    exp.Nullif: _nullif,
    exp.Least: lambda node, row: min(_present(node, row), default=None),  # type: ignore[type-var]
    exp.Greatest: lambda node, row: max(_present(node, row), default=None),  # type: ignore[type-var]
}
