"""From an expression of AWS IoT Events to SQL text that rules may say, or why there is none."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rules.grammar import FUNCTIONS, KEYWORDS
from rules.iot_events.expressions import Binary, Call, Expr, Input, Literal, Unary, Variable, walk

_OPERATORS = {
    "&&": "AND", "||": "OR", "==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "+": "+", "-": "-",
    "*": "*", "/": "/",
}  # fmt: skip
_BITS = {"&", "|", "^"}
_RENAMED = {"floor": "FLOOR", "ceil": "CEIL", "abs": "ABS", "min": "LEAST", "max": "GREATEST"}
_WORD = re.compile(r"[A-Za-z_]\w*")
_BINDS, _COMPARES, _TIGHT = {"||": 1, "&&": 2, "!": 3, "+": 5, "-": 5, "*": 6, "/": 6}, 4, 9


class Untranslatable(Exception):
    """There is no such text; `reason` says what has no counterpart."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(slots=True)
class Names:
    """The names of metrics: an input's path, with dots; where two inputs share a path, with the input's name before."""

    shared: frozenset[tuple[str, ...]] = frozenset()
    key: str = ""
    remarks: dict[str, None] = field(default_factory=dict)
    """What a reader should know of translations made so far, in order, each once."""

    def of(self, source: Input) -> str:
        """The metric, without quotes. Untranslatable for what is no metric."""
        if not source.path:
            raise Untranslatable(f"$input.{source.name} without a path is no value")
        if any(step.startswith("[") for step in source.path):
            raise Untranslatable("an item of an array is no metric: publish it under a name of its own")
        name = ".".join(source.path)
        if name == self.key:
            raise Untranslatable(f"{name} is the device id, which only applies_to may ask for")
        if source.path in self.shared:
            self.remarks[f"two inputs have {name!r}: publish this one as {source.name}.{name}"] = None
            return f"{source.name}.{name}"
        return name


def names_for(expressions: list[Expr], key: str) -> Names:
    """The names that all these expressions use."""
    inputs: dict[tuple[str, ...], set[str]] = {}
    for expr in expressions:
        for node in walk(expr):
            if isinstance(node, Input):
                inputs.setdefault(node.path, set()).add(node.name)
    return Names(frozenset(path for path, names in inputs.items() if len(names) > 1), key.replace("`", ""))


def quoted(name: str) -> str:
    """As it stands in an expression."""
    plain = _WORD.fullmatch(name) and name.upper() not in KEYWORDS | FUNCTIONS.keys()
    return name if plain else '"' + name.replace('"', '""') + '"'


def to_sql(expr: Expr, names: Names) -> str:
    """The text of a rule's expression."""
    match expr:
        case Literal():
            return _literal(expr)
        case Input():
            return quoted(names.of(expr))
        case Variable(name):
            raise Untranslatable(f"the variable {name!r}: a rule keeps no variables of its own")
        case Unary(operator, operand):
            if operator == "~":
                raise Untranslatable("bits of integers")
            if operator == "-":
                return f"-{_inside(operand, names, _TIGHT)}"
            return f"NOT {_inside(operand, names, _TIGHT)}"
        case Binary():
            return _binary(expr, names)
        case Call(name, arguments):
            return _call(name, arguments, names)


def _literal(literal: Literal) -> str:
    value = literal.value
    if isinstance(value, bool):
        return str(value).upper()
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def _inside(expr: Expr, names: Names, least: int) -> str:
    """In parentheses, if it binds less than what is around it."""
    text = to_sql(expr, names)
    binds = _BINDS.get(expr.operator, _COMPARES) if isinstance(expr, (Binary, Unary)) else _TIGHT
    return text if binds >= least else f"({text})"


def _binary(expr: Binary, names: Names) -> str:
    operator = expr.operator
    if operator in _BITS:
        raise Untranslatable("bits of integers")
    if operator == "+" and any(_is_text(side) for side in (expr.left, expr.right)):
        raise Untranslatable("joining texts")
    if operator == "/" and not any(
        isinstance(s, Literal) and isinstance(s.value, float) for s in (expr.left, expr.right)
    ):
        names.remarks["/ of two integers was rounded there; here it is true division"] = None
    least = _BINDS.get(operator, _COMPARES + 1)
    left = _inside(expr.left, names, least)
    right = _inside(expr.right, names, least if operator in {"&&", "||"} else least + 1)
    return f"{left} {_OPERATORS[operator]} {right}"


def _is_text(expr: Expr) -> bool:
    return isinstance(expr, Literal) and isinstance(expr.value, str)


def _call(name: str, arguments: tuple[Expr, ...], names: Names) -> str:
    if name == "convert" and len(arguments) == 2:
        return _convert(arguments, names)
    if name in {"isNull", "isUndefined"} and len(arguments) == 1:
        names.remarks[f"{name}: here NULL is a value that did not come, or is older than join_within"] = None
        return f"{_inside(arguments[0], names, _TIGHT)} IS NULL"
    if name in _PATTERNS and len(arguments) == 2:
        return _like(name, arguments, names)
    if name in _RENAMED:
        return f"{_RENAMED[name]}({', '.join(to_sql(each, names) for each in arguments)})"
    raise Untranslatable(f"the function {name}")


def _convert(arguments: tuple[Expr, ...], names: Names) -> str:
    wanted = arguments[0].value if isinstance(arguments[0], Literal) else ""
    if wanted not in {"Decimal", "Boolean"}:
        raise Untranslatable("convert to a text")
    kind = "numbers" if wanted == "Decimal" else "true or false"
    names.remarks[f"convert({wanted}, …): publish these values as {kind}, not as text"] = None
    return to_sql(arguments[1], names)


_PATTERNS: Mapping[str, Callable[[str], str]] = {
    "startsWith": lambda text: f"{text}%",
    "endsWith": lambda text: f"%{text}",
    "contains": lambda text: f"%{text}%",
}


def _like(name: str, arguments: tuple[Expr, ...], names: Names) -> str:
    sought = arguments[1]
    if not (isinstance(sought, Literal) and isinstance(sought.value, str)) or set(sought.value) & {"%", "_"}:
        raise Untranslatable(f"{name} of anything but a plain text without % and _")
    return f"{_inside(arguments[0], names, _TIGHT)} LIKE {_literal(Literal(_PATTERNS[name](sought.value)))}"
