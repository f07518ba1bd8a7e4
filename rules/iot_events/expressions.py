"""The expression language of AWS IoT Events, read into trees.

Its reference: AWS IoT Events Developer Guide, "Expressions". Integers, decimals, strings in either quotes, booleans;
`! ~ -`, `* / + -`, `< <= > >= == !=`, `& ^ |`, `&& ||`; `$input.name.path`, `$variable.name`; functions.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from domain.errors import SourceError

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.\d*|\.\d+|\d+)"
    r"|(?P<string>'[^']*'|\"[^\"]*\")"
    r"|(?P<reference>\$(?:input|variable)(?:\s*\.\s*(?:`[^`]+`|\w+)(?:\[\d+\])*)+)"
    r"|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<operator>&&|\|\||==|!=|<=|>=|[-+*/<>!~&|^(),]))"
)
_STEP = re.compile(r"`([^`]+)`|(\w+)|\[(\d+)\]")
_PRIORITY = {
    "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<": 7, "<=": 7, ">": 7, ">=": 7,
    "+": 8, "-": 8, "*": 9, "/": 9,
}  # fmt: skip
_MAX_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written out."""

    value: bool | int | float | str


@dataclass(frozen=True, slots=True)
class Input:
    """`$input.name.a.b`; a position in an array is a step of digits alone in brackets."""

    name: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """`$variable.name`"""

    name: str


@dataclass(frozen=True, slots=True)
class Unary:
    """`!`, `~`, `-`"""

    operator: str
    operand: "Expr"


@dataclass(frozen=True, slots=True)
class Binary:
    """Everything with two sides."""

    operator: str
    left: "Expr"
    right: "Expr"


@dataclass(frozen=True, slots=True)
class Call:
    """A function."""

    name: str
    arguments: tuple["Expr", ...]


Expr = Literal | Input | Variable | Unary | Binary | Call
TRUE = Literal(value=True)


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def parse_expression(text: str) -> Expr:
    """SourceError says what is wrong and at which column of the expression."""
    reader = _Reader(text)
    found = reader.expression(0, 0)
    if reader.token is not None:
        raise reader.wrong(f"{reader.token.text!r} does not belong here")
    return found


def walk(expr: Expr) -> Iterator[Expr]:
    """The tree, from the top."""
    yield expr
    for part in parts(expr):
        yield from walk(part)


def parts(expr: Expr) -> tuple[Expr, ...]:
    """Operands or arguments."""
    match expr:
        case Unary(_, operand):
            return (operand,)
        case Binary(_, left, right):
            return (left, right)
        case Call(_, arguments):
            return arguments
        case _:
            return ()


def rebuild(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """The same node over changed parts."""
    match expr:
        case Unary(operator, operand):
            return Unary(operator, change(operand))
        case Binary(operator, left, right):
            return Binary(operator, change(left), change(right))
        case Call(name, arguments):
            return Call(name, tuple(change(each) for each in arguments))
        case _:
            return expr


class _Reader:
    """Precedence climbing over tokens."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.at = 0

    @property
    def token(self) -> _Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def wrong(self, problem: str) -> SourceError:
        column = self.token.at + 1 if self.token else len(self.text) + 1
        return SourceError(f"{problem}, at column {column} of the expression", column=column)

    def expression(self, least: int, depth: int) -> Expr:
        if depth > _MAX_DEPTH:
            raise self.wrong("nested too deeply")
        left = self._operand(depth)
        while self.token and self.token.kind == "operator" and _PRIORITY.get(self.token.text, -1) > least:
            operator = self.token.text
            self.at += 1
            left = Binary(operator, left, self.expression(_PRIORITY[operator], depth + 1))
        return left

    def _operand(self, depth: int) -> Expr:
        token = self.token
        if token is None:
            raise self.wrong("a value is missing")
        self.at += 1
        match token.kind:
            case "number":
                return Literal(float(token.text) if "." in token.text else int(token.text))
            case "string":
                return Literal(token.text[1:-1])
            case "reference":
                return _reference(token.text)
            case "word":
                return self._word(token, depth)
        if token.text in {"!", "~", "-"}:
            operand = self.expression(9, depth + 1)
            if token.text == "-" and isinstance(operand, Literal) and type(operand.value) in {int, float}:
                return Literal(-operand.value)  # type: ignore[operator]
            return Unary(token.text, operand)
        if token.text == "(":
            inner = self.expression(0, depth + 1)
            self._expect(")")
            return inner
        self.at -= 1
        raise self.wrong("a value is missing")

    def _word(self, token: _Token, depth: int) -> Expr:
        if token.text in {"true", "false"}:
            return Literal(token.text == "true")
        if self.token is None or self.token.text != "(":
            if token.text in {"Decimal", "String", "Boolean"}:
                return Literal(token.text)
            self.at -= 1
            raise self.wrong(f"{token.text!r} is neither a value nor a function")
        self.at += 1
        arguments: list[Expr] = []
        while self.token is not None and self.token.text != ")":
            if arguments:
                self._expect(",")
            arguments.append(self.expression(0, depth + 1))
        self._expect(")")
        return Call(token.text, tuple(arguments))

    def _expect(self, text: str) -> None:
        if self.token is None or self.token.text != text:
            raise self.wrong(f"{text!r} is missing")
        self.at += 1


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    end = len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            raise SourceError(f"{text[start]!r} is not understood, at column {start + 1} of the expression")
        kind = str(found.lastgroup)
        yield _Token(kind, found[kind], found.start(kind))
        at = found.end()


def _reference(text: str) -> Expr:
    steps = [quoted or plain or f"[{place}]" for quoted, plain, place in _STEP.findall(text)]
    if steps[0] == "variable":
        return Variable(".".join(steps[1:]))
    return Input(steps[1], tuple(steps[2:]))
