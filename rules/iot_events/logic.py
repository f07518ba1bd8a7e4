"""What two conditions have to do with each other: the same, opposites, one within the other, never both.

Answers are proofs: TRUE means certainly, FALSE means that nothing was proved. Conditions are brought to one form first:
negation only at the leaves, literals to the right of comparisons, members of AND and OR without order.
"""

from collections.abc import Iterable, Iterator

from rules.iot_events.expressions import TRUE, Binary, Expr, Literal, Unary

_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_OPPOSITE = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}

Form = tuple[object, ...]
"""`("&&", frozenset of forms)`, `("||", …)`, `(comparison, left, right)` or `("", expression)`, `("!", expression)`."""


def conjuncts(expr: Expr) -> list[Expr]:
    """The members of a chain of `&&`."""
    if isinstance(expr, Binary) and expr.operator == "&&":
        return [*conjuncts(expr.left), *conjuncts(expr.right)]
    return [expr]


def both(members: Iterable[Expr]) -> Expr:
    """All of them; TRUE is left out."""
    return _chain("&&", [each for each in _once(members) if each != TRUE], TRUE)


def either(members: Iterable[Expr]) -> Expr:
    """Any of them; one that lies within another is left out."""
    widest: list[Expr] = []
    for each in members:
        if not any(implies(each, other) for other in widest):
            widest = [*(other for other in widest if not implies(other, each)), each]
    return _chain("||", widest, Literal(value=False))


def negated(expr: Expr) -> Expr:
    """The opposite, written without `!` where that is possible."""
    if isinstance(expr, Unary) and expr.operator == "!":
        return expr.operand
    if isinstance(expr, Binary) and expr.operator in _OPPOSITE:
        return Binary(_OPPOSITE[expr.operator], expr.left, expr.right)
    if isinstance(expr, Binary) and expr.operator in {"&&", "||"}:
        return Binary("||" if expr.operator == "&&" else "&&", negated(expr.left), negated(expr.right))
    if isinstance(expr, Literal) and isinstance(expr.value, bool):
        return Literal(not expr.value)
    return Unary("!", expr)


def same(one: Expr, other: Expr) -> bool:
    """Whether they are TRUE together."""
    return _form(one) == _form(other)


def opposite(one: Expr, other: Expr) -> bool:
    """Whether one is TRUE exactly where the other is FALSE."""
    return same(negated(one), other)


def implies(one: Expr, other: Expr) -> bool:
    """Whether `other` is TRUE wherever `one` is."""
    if same(one, other) or other == TRUE:
        return True
    if isinstance(other, Binary) and other.operator == "||":
        return implies(one, other.left) or implies(one, other.right)
    if isinstance(one, Binary) and one.operator == "||":
        return implies(one.left, other) and implies(one.right, other)
    return all(any(_within(_form(fact), _form(wanted)) for fact in conjuncts(one)) for wanted in conjuncts(other))


def exclusive(one: Expr, other: Expr) -> bool:
    """Whether they are never TRUE together."""
    if isinstance(one, Binary) and one.operator == "||":
        return exclusive(one.left, other) and exclusive(one.right, other)
    if isinstance(other, Binary) and other.operator == "||":
        return exclusive(one, other.left) and exclusive(one, other.right)
    return any(implies(fact, negated(against)) for fact in conjuncts(one) for against in conjuncts(other))


def _once(members: Iterable[Expr]) -> list[Expr]:
    kept: list[Expr] = []
    for each in members:
        if not any(same(each, known) for known in kept):
            kept.append(each)
    return kept


def _chain(operator: str, members: list[Expr], empty: Expr) -> Expr:
    if not members:
        return empty
    chain = members[0]
    for each in members[1:]:
        chain = Binary(operator, chain, each)
    return chain


def _form(expr: Expr) -> Form:
    expr = _pushed(expr)
    if isinstance(expr, Unary) and expr.operator == "!":
        return ("!", expr.operand)
    if isinstance(expr, Binary) and expr.operator in {"&&", "||"}:
        return (expr.operator, frozenset(_members(expr, expr.operator)))
    if isinstance(expr, Binary) and expr.operator in _MIRROR:
        if isinstance(expr.left, Literal) and not isinstance(expr.right, Literal):
            return (_MIRROR[expr.operator], expr.right, expr.left)
        return (expr.operator, expr.left, expr.right)
    return ("", expr)


def _pushed(expr: Expr) -> Expr:
    """Negation of AND, OR and comparisons one step further in."""
    if isinstance(expr, Unary) and expr.operator == "!":
        inner = negated(expr.operand)
        return inner if isinstance(inner, Unary) and inner.operator == "!" else _pushed(inner)
    match expr:
        case Binary("==" | "!=" as operator, left, Literal(bool(value))):
            return _pushed(left if value is (operator == "==") else negated(left))
    return expr


def _members(expr: Expr, operator: str) -> Iterator[Form]:
    expr = _pushed(expr)
    if isinstance(expr, Binary) and expr.operator == operator:
        yield from _members(expr.left, operator)
        yield from _members(expr.right, operator)
    else:
        yield _form(expr)


def _within(fact: Form, wanted: Form) -> bool:
    """Whether one comparison lies within the other: v > 90 within v > 70."""
    if fact == wanted:
        return True
    if len(fact) != 3 or len(wanted) != 3 or fact[1] != wanted[1]:
        return False
    here, there = _number(fact[2]), _number(wanted[2])
    if here is None or there is None:
        return fact[0] == "==" and wanted[0] == "!=" and _differ(fact[2], wanted[2])
    if fact[0] == "==":
        return {"<": here < there, "<=": here <= there, ">": here > there, ">=": here >= there,
                "==": here == there, "!=": here != there}[str(wanted[0])]  # fmt: skip
    match str(fact[0])[0], str(wanted[0]):
        case (">", ">") | ("<", "<"):
            strict = fact[0] in {">", "<"}
            return _beyond(fact, here, there) or (here == there and strict)
        case (">", ">=") | ("<", "<="):
            return _beyond(fact, here, there) or here == there
        case (">" | "<", "!="):
            return _beyond(fact, here, there) or (here == there and fact[0] in {">", "<"})
        case _:
            return False


def _beyond(fact: Form, here: float, there: float) -> bool:
    return here > there if str(fact[0]).startswith(">") else here < there


def _number(value: object) -> float | None:
    if isinstance(value, Literal) and isinstance(value.value, (int, float)) and not isinstance(value.value, bool):
        return float(value.value)
    return None


def _differ(one: object, other: object) -> bool:
    return isinstance(one, Literal) and isinstance(other, Literal) and one.value != other.value
