"""From the text of an expression to a tree that holds only what rules may say; sqlglot parses, lists here allow."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError, TokenError
from sqlglot.parser import Parser
from sqlglot.tokenizer_core import Token, TokenType
from sqlglot.tokens import Tokenizer

from domain.errors import SourceError
from domain.spelling import suggest

FUNCTIONS: dict[str, tuple[int, int]] = {
    "COALESCE": (1, 99),
    "NULLIF": (2, 2),
    "ABS": (1, 1),
    "ROUND": (1, 2),
    "FLOOR": (1, 1),
    "CEIL": (1, 1),
    "SIGN": (1, 1),
    "SQRT": (1, 1),
    "POWER": (2, 2),
    "LN": (1, 1),
    "EXP": (1, 1),
    "LEAST": (1, 99),
    "GREATEST": (1, 99),
}
"""What may be called, with the least and the greatest number of arguments."""

_INSTEAD = {
    **dict.fromkeys(("AVG", "AVERAGE", "MEAN"), "a mean over time is a signal: m: {op: mean, of: metric, over: 10m}"),
    **{
        name: f"over time it is a signal: s: {{op: {name.lower()}, of: metric, over: 10m}}"
        for name in ("SUM", "MIN", "MAX", "COUNT", "STDDEV", "MEDIAN")
    },
    **dict.fromkeys(("LAG", "DELTA", "DIFF"), "a change is a signal: d: {op: delta, of: metric, over: 10m}"),
    **dict.fromkeys(("RATE", "DERIV"), "a rate is a signal: r: {op: slope, of: metric, over: 30m, per: 1h}"),
    **dict.fromkeys(("NOW", "SLEEP"), "time is in for, max_gap, and the signals since, held and silence"),
    **dict.fromkeys(("IF", "IIF"), "write CASE WHEN a > 1 THEN 2 ELSE 3 END"),
    **dict.fromkeys(("ISNULL", "IFNULL", "NVL"), "write x IS NULL, or COALESCE(x, 0)"),
    "MOD": "write a % b",
    "POW": "write POWER(a, b)",
}
"""For functions that people expect, what does it here."""

KEYWORDS = frozenset(
    ("AND", "OR", "NOT", "IS", "NULL", "IN", "BETWEEN", "LIKE", "CASE", "WHEN", "THEN", "ELSE", "END", "TRUE", "FALSE")
)
"""Every other word is a name, even where SQL reserves it: metrics are called `current`, `order` or `date`."""

_BINARY = {
    TokenType.EQ: "=",
    TokenType.NEQ: "<>",
    TokenType.LT: "<",
    TokenType.LTE: "<=",
    TokenType.GT: ">",
    TokenType.GTE: ">=",
    TokenType.STAR: "*",
    TokenType.SLASH: "/",
    TokenType.MOD: "%",
}
_SIGNS = {TokenType.PLUS: "+", TokenType.DASH: "-"}
_PUNCTUATION = {TokenType.L_PAREN, TokenType.R_PAREN, TokenType.COMMA}
_ENDS_VALUE = {"NULL", "TRUE", "FALSE", "END", ")", "value"}
_STARTS_VALUE = {"NULL", "TRUE", "FALSE", "CASE", "(", "value", "function"}
_WANTS_VALUE = {"AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "WHEN", "THEN", "ELSE", "(", ",", "operator"}
_EXAMPLE = "write a condition such as a > 1 AND b < 2"
_MAX_CHARACTERS, _MAX_DEPTH, _MAX_CHAIN, _MAX_COST = 8192, 20, 100, 20_000

_NODES = (
    exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Add, exp.Sub, exp.Mul,
    exp.Div, exp.Mod, exp.Neg, exp.Is, exp.In, exp.Between, exp.Like, exp.Case, exp.If, exp.Coalesce, exp.Nullif,
    exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.Sign, exp.Sqrt, exp.Pow, exp.Ln, exp.Exp, exp.Least, exp.Greatest,
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null,
)  # fmt: skip

_KEEPS = (exp.Paren, exp.Neg, exp.Abs, exp.Round, exp.Floor, exp.Ceil)
_UNSETTLED = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Pow, exp.Exp, exp.Sqrt, exp.Ln)
_PASSES = (*_KEEPS, exp.Add, exp.Sub, exp.Mul, exp.Sqrt, exp.Ln)


class Spot(NamedTuple):
    """A place in an expression, both from 1."""

    line: int
    column: int


def spot(text: str, offset: int) -> Spot:
    """Where the character at `offset` stands."""
    before = text[:offset]
    return Spot(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)


def mistake(text: str, offset: int, problem: str, *, cure: str = "") -> SourceError:
    """A SourceError that points into the expression."""
    where = spot(text, offset)
    return SourceError(problem, cure=cure, line=where.line, column=where.column)


def tree(text: str) -> exp.Expr:
    """The checked syntax tree of `text`; SourceError with line and column for anything outside the language."""
    if not text.strip():
        raise SourceError(
            "the expression is empty", cure="write a condition such as temperature > 90", line=1, column=1
        )
    if len(text) > _MAX_CHARACTERS:
        raise SourceError(f"the expression is longer than {_MAX_CHARACTERS} characters", cure="split it into two rules")
    tokens = _tokens(text)
    _check_words(text, tokens)
    _check_order(text, tokens)
    _check_calls(text, tokens)
    try:
        parsed = Parser(error_level=ErrorLevel.IMMEDIATE).parse(tokens, text)
    except ParseError as exc:
        raise _parse_mistake(text, exc) from exc
    root = parsed[0] if len(parsed) == 1 else None
    if root is None:
        raise SourceError("not an expression", cure=_EXAMPLE, line=1, column=1)
    for node in root.walk():
        _check_node(text, node)
    _check_size(root)
    return root


def offset_of(node: exp.Expr) -> int:
    """Where a node begins in the text, as near as its parts tell."""
    starts = [start for part in node.walk() if (start := part.meta.get("start")) is not None]
    return min(starts, default=0)


def _tokens(text: str) -> list[Token]:
    try:
        tokens: list[Token] = Tokenizer().tokenize(text)
    except TokenError as exc:
        quote = next((mark for mark in "'\"" if text.count(mark) % 2), "'")
        raise mistake(
            text, text.rfind(quote), f"a quote {quote} is not closed", cure="text stands in '…', an odd name in \"…\""
        ) from exc
    return tokens


def _check_words(text: str, tokens: Sequence[Token]) -> None:
    """Refuse what is outside the language, and make every word that is not a keyword a name."""
    for here, after in zip(tokens, [*tokens[1:], None], strict=True):
        kind, word = here.token_type, here.text
        if kind in {TokenType.NUMBER, TokenType.STRING, *_BINARY, *_SIGNS, *_PUNCTUATION}:
            continue
        if kind is TokenType.IDENTIFIER:
            if not word:
                raise mistake(text, here.start, "a name is empty", cure="text stands in single quotes: ''")
        elif not (word[:1].isalpha() or word[:1] == "_"):
            raise mistake(text, here.start, f"{word!r} is not part of the language", cure=_cure_for_symbol(word))
        elif after is not None and after.token_type is TokenType.L_PAREN and word.upper() not in KEYWORDS:
            _check_function(text, here)
        elif word.upper() not in KEYWORDS:
            here.token_type = TokenType.IDENTIFIER


def _check_function(text: str, token: Token) -> None:
    name = token.text.upper()
    if name not in FUNCTIONS:
        near = suggest(name, list(FUNCTIONS))
        raise mistake(
            text,
            token.start,
            f"{token.text} is not a function that rules may use",
            cure=_INSTEAD.get(name) or f"{near} allowed: {', '.join(FUNCTIONS)}".strip(),
        )


def _cure_for_symbol(symbol: str) -> str:
    known = {
        ".": 'a name with a dot stands in double quotes: "a.b"; a number begins with a digit: 0.5',
        "||": "join conditions with OR",
        "&&": "join conditions with AND",
        "!": "write NOT",
        ";": "write one condition",
        "=>": "write >=",
        "=<": "write <=",
        ":=": "write =",
        ":": "write =",
        "{": "write the name alone, without braces",
        "°": "a number stands without its unit",
        "[": "write IN (…) for a list",
        "^": "write POWER(a, b)",
    }
    if symbol.startswith(("$", "@")):
        return f"write {symbol[1:] or 'the name'} alone"
    return known.get(
        symbol[:1] if symbol[:1] in {"{", "°"} else symbol,
        "allowed are = <> < <= > >= + - * / % ( ) and the words of SQL conditions",
    )


def _role(token: Token, after: Token | None) -> str:
    kind = token.token_type
    if kind in {TokenType.NUMBER, TokenType.STRING, TokenType.IDENTIFIER}:
        return "value"
    if kind in _PUNCTUATION:
        return token.text
    if kind in _BINARY:
        return "operator"
    if kind in _SIGNS:
        return "sign"
    called = after is not None and after.token_type is TokenType.L_PAREN
    return "function" if called and token.text.upper() in FUNCTIONS else token.text.upper()


def _check_order(text: str, tokens: Sequence[Token]) -> None:
    """Name the two most common slips by themselves: two values side by side, and a value left out."""
    roles = [_role(here, after) for here, after in zip(tokens, [*tokens[1:], None], strict=True)]
    depth, run = 0, 0
    for here, role, follows in zip(tokens, roles, [*roles[1:], ""], strict=True):
        depth += (role in {"(", "CASE"}) - (role in {")", "END"})
        run = run + 1 if role in {"sign", "NOT"} else 0
        if depth > _MAX_DEPTH or run > _MAX_DEPTH:
            raise mistake(text, here.start, "nested too deeply", cure="split it into two rules")
        if role in _ENDS_VALUE and follows in _STARTS_VALUE - {"CASE"}:
            raise mistake(
                text, here.end + 1, f"something is missing after {_show(text, here)}", cure=_cure_for_pair(text, here)
            )
        if (role in _WANTS_VALUE or role == "sign") and (
            follows in {"", ")", ",", "operator", "AND", "OR", "THEN", "WHEN", "ELSE", "END"}
        ):
            raise mistake(
                text, here.start, f"a value is missing after {_show(text, here)}", cure=_cure_for_gap(here, follows)
            )


def _cure_for_pair(text: str, here: Token) -> str:
    if here.text.upper() in {"SELECT", "EXISTS"}:
        return "put an operator between; a rule looks at other samples through signals"
    if here.token_type is TokenType.NUMBER and not text[here.end + 1 : here.end + 2].isspace():
        return "put an operator between, or write the number without its unit and without _"
    return "put an operator between"


def _cure_for_gap(here: Token, follows: str) -> str:
    if here.token_type is TokenType.MOD and follows in {"", "AND", "OR", ")"}:
        return "% is the remainder of a division; a number stands without its unit"
    if here.token_type is TokenType.L_PAREN:
        return "write what belongs between ( and )"
    return "write a name, a number or a text in '…' there"


def _show(text: str, token: Token) -> str:
    return text[token.start : token.end + 1]


def _check_calls(text: str, tokens: Sequence[Token]) -> None:
    """Parentheses match, and functions have as many arguments as they take."""
    opened: list[tuple[Token, Token | None, int]] = []
    before: Token | None = None
    for token in tokens:
        if token.token_type is TokenType.L_PAREN:
            called = before if before is not None and before.text.upper() in FUNCTIONS else None
            opened.append((token, called if called and called.token_type is not TokenType.IDENTIFIER else None, 1))
        elif token.token_type is TokenType.COMMA:
            if not opened:
                decimal = before is not None and before.token_type is TokenType.NUMBER
                raise mistake(
                    text,
                    token.start,
                    "a comma outside parentheses",
                    cure="decimals have a point: 90.5" if decimal else "write one condition",
                )
            bracket, called, arguments = opened.pop()
            opened.append((bracket, called, arguments + 1))
        elif token.token_type is TokenType.R_PAREN:
            if not opened:
                raise mistake(text, token.start, "this ) closes nothing", cure="take it away, or open ( before it")
            _, called, arguments = opened.pop()
            if called is not None:
                _check_arguments(text, called, arguments)
        before = token
    if opened:
        raise mistake(text, opened[-1][0].start, "this ( is not closed", cure="add )")


def _check_arguments(text: str, called: Token, arguments: int) -> None:
    least, most = FUNCTIONS[called.text.upper()]
    if not least <= arguments <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise mistake(
            text, called.start, f"{called.text} has {arguments} arguments", cure=f"{called.text.upper()} takes {wanted}"
        )


def _check_node(text: str, node: exp.Expr) -> None:
    if not isinstance(node, _NODES):
        raise mistake(text, offset_of(node), f"{type(node).__name__} is not part of the language", cure=_EXAMPLE)
    if isinstance(node, exp.Column) and node.table:
        raise mistake(text, offset_of(node), "a dot in a name", cure=f'write "{node.table}.{node.name}"')
    if isinstance(node, exp.In) and (not node.expressions or node.args.get("query") or node.args.get("field")):
        raise mistake(text, offset_of(node), "IN has no list", cure="write name IN ('a', 'b')")
    if isinstance(node, exp.Is) and not isinstance(node.expression, exp.Null):
        raise mistake(text, offset_of(node), "IS takes only NULL", cure="write IS NULL or IS NOT NULL")
    if isinstance(node, exp.Literal) and not node.is_string:
        _check_number(text, node)
    if isinstance(node, exp.Like) and not (isinstance(node.expression, exp.Literal) and node.expression.is_string):
        raise mistake(text, offset_of(node), "LIKE has no pattern", cure="write name LIKE 'X1%'")


class _Size(NamedTuple):
    depth: int
    cost: int
    unsettled: bool
    """May be NaN or infinite: written twice wherever that matters (see rules.translation)."""


def _check_size(root: exp.Expr) -> None:
    """Refuse what would grow out of bounds in translation, where some operands are written several times."""
    sizes: dict[int, _Size] = {}
    for node in reversed(list(root.walk())):
        parts = [(key, part, sizes[id(part)]) for key, value in node.args.items() for part in _listed(value)]
        flat = isinstance(node, (exp.And, exp.Or))
        depth = max((size.depth + (not (flat and type(part) is type(node))) for _, part, size in parts), default=0)
        carried = isinstance(node, (exp.Div, exp.Mod))
        cost = 1
        for key, _, size in parts:
            settles = size.unsettled and not (carried and key == "this")
            cost += size.cost * _copies(node, key) * (2 if settles and not isinstance(node, _PASSES) else 1)
        through = isinstance(node, _KEEPS) and any(size.unsettled for _, _, size in parts)
        sizes[id(node)] = _Size(depth, cost, through or isinstance(node, _UNSETTLED))
    size = sizes[id(root)]
    if size.depth > _MAX_CHAIN or size.cost > _MAX_COST:
        raise SourceError("the expression is too long", cure="split it into two rules", line=1, column=1)


def _listed(value: object) -> list[exp.Expr]:
    return [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, exp.Expr)]


def _copies(node: exp.Expr, key: str) -> int:
    """How often an operand is written, at most."""
    if key != "this":
        return 1
    if isinstance(node, exp.Case):
        return len(node.args["ifs"])
    if isinstance(node, exp.In):
        return 1 + sum(not isinstance(member, exp.Literal) for member in node.expressions)
    return 2 if isinstance(node, (exp.Nullif, exp.Between)) else 1


def _check_number(text: str, node: exp.Expr) -> None:
    try:
        number = float(node.name)
    except ValueError:
        raise mistake(text, offset_of(node), f"{node.name!r} is not a number", cure="write 12 or 0.5 or 1e3") from None
    if number in {float("inf"), float("-inf")}:
        raise mistake(
            text, offset_of(node), f"{node.name} is larger than any 64-bit number", cure="write at most 1.7e308"
        )


def _parse_mistake(text: str, exc: ParseError) -> SourceError:
    found = exc.errors[0] if exc.errors else {}
    lines = text.split("\n")
    line, column = int(found.get("line") or 1), int(found.get("col") or 1)
    offset = sum(len(each) + 1 for each in lines[: line - 1]) + column - 1
    description = str(found.get("description") or "this is not an expression")
    if "Required keyword" in description and "Between" in description:
        return mistake(text, min(offset, len(text)), "BETWEEN has no AND", cure="write name BETWEEN 1 AND 2")
    if "END after CASE" in description:
        return mistake(text, min(offset, len(text)), "CASE has no END", cure="write CASE WHEN a > 1 THEN 2 ELSE 3 END")
    if "Required keyword" in description or "Required argument" in description:
        description = "something is missing here"
    return mistake(text, min(offset, len(text)), description.removesuffix("."), cure=_EXAMPLE)
