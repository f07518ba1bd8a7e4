"""Whether an expression makes sense: every name is known, and like meets like: numbers, strings, conditions."""

from collections.abc import Collection, Mapping, Sequence

from sqlglot import exp

from domain.errors import SourceError
from domain.spelling import suggest
from rules.grammar import mistake, offset_of
from rules.model import Kind

_EQUALITIES = (exp.EQ, exp.NEQ)
_COMPARISONS = (*_EQUALITIES, exp.LT, exp.LTE, exp.GT, exp.GTE)
_ARITHMETIC = (
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.Sign, exp.Sqrt,
    exp.Pow, exp.Ln, exp.Exp,
)  # fmt: skip
_BOOLEAN_CURE = "a boolean is a condition by itself, or is compared with TRUE or FALSE"
_SAME = (exp.Coalesce, exp.Least, exp.Greatest)


def operands(node: exp.Expr) -> list[exp.Expr]:
    """The arguments of an operator or function, in order."""
    found = [node.args.get(key) for key in ("this", "expression", "low", "high", "decimals")]
    return [part for part in (*found, *node.expressions) if isinstance(part, exp.Expr)]


def branches(node: exp.Case) -> list[exp.Expr]:
    """What a CASE may give, ELSE included."""
    results = [each.args["true"] for each in node.args["ifs"]]
    return [*results, node.args["default"]] if node.args.get("default") is not None else results


class KindChecker:
    """One walk over one tree. `known` gives kinds; names in `free` are given the kind of their use, as all unknown
    names are with `open_names`.

    A kind of None is that of NULL, and of a name nothing is known of yet: it goes with everything.
    """

    def __init__(
        self, text: str, known: Mapping[str, Kind], *, open_names: bool = False, free: Collection[str] = ()
    ) -> None:
        self.text, self.known, self.open_names, self.free = text, dict(known), open_names, free

    def kind(self, node: exp.Expr) -> Kind | None:
        """The kind of a node; SourceError where it makes no sense."""
        if isinstance(node, exp.Column):
            return self._name(node)
        if isinstance(node, exp.Literal):
            return Kind.STRING if node.is_string else Kind.NUMBER
        if isinstance(node, exp.Null):
            return None
        if isinstance(node, exp.Paren):
            return self.kind(node.this)
        if isinstance(node, _ARITHMETIC):
            return self._arithmetic(node)
        if isinstance(node, _SAME):
            return self._same(operands(node), node)
        if isinstance(node, exp.Nullif):
            return self._same([node.this, node.expression], node)
        if isinstance(node, exp.Case):
            return self._case(node)
        return self._condition(node)

    def want(self, node: exp.Expr, wanted: Kind) -> None:
        """Insist that a node is of a kind, and let a name of unknown kind take it."""
        found = self.kind(node)
        if found is None:
            self._give(node, wanted)
        elif found is not wanted:
            raise self._error(
                node, f"{self._show(node)} is a {found}, not a {wanted}", cure=_cure(found, wanted, self._show(node))
            )

    def _name(self, node: exp.Column) -> Kind | None:
        found = self.known.get(node.name)
        if found is None and not self.open_names and node.name not in self.free:
            raise self._error(node, f"unknown name {node.name!r}", cure=self._cure_for_name(node))
        return found

    def _cure_for_name(self, node: exp.Column) -> str:
        names = {*self.known, *self.free}
        if node.name == "device_id":
            return "which devices a rule is for stands in applies_to"
        if node.name.casefold() in {"nan", "inf", "infinity"}:
            return "what is not a finite number is NULL: write name IS NULL"
        dashed = next((name for name in sorted(names) if name in self.text and name.startswith(node.name + "-")), None)
        if dashed:
            return f'a name with a dash stands in double quotes: "{dashed}"'
        near = suggest(node.name, sorted(names))
        if not near and f'"{node.name}"' in self.text and "." not in node.name:
            return f"text stands in single quotes: '{node.name}'"
        listed = ", ".join(sorted(names)[:12]) + (" …" if len(names) > 12 else "")
        return near or (f"known are: {listed}" if listed else "no names are known here")

    def _arithmetic(self, node: exp.Expr) -> Kind:
        for part in operands(node):
            self.want(part, Kind.NUMBER)
        digits = node.args.get("decimals")
        if digits is not None and not (
            isinstance(digits, exp.Literal) and digits.name.isdigit() and int(digits.name) < 16
        ):
            raise self._error(digits, "ROUND wants to know how many decimals", cure="write a whole number from 0 to 15")
        return Kind.NUMBER

    def _same(self, parts: Sequence[exp.Expr], node: exp.Expr) -> Kind | None:
        """All `parts` must be of one kind, which is the answer."""
        found = [self.kind(part) for part in parts]
        settled = next(((part, kind) for part, kind in zip(parts, found, strict=True) if kind is not None), None)
        if settled is None:
            return None
        first, wanted = settled
        for part, kind in zip(parts, found, strict=True):
            if kind is None:
                self._give(part, wanted)
            elif kind is not wanted:
                raise self._error(
                    part,
                    f"{self._show(first)} is a {wanted} and {self._show(part)} is a {kind}",
                    cure=_BOOLEAN_CURE if Kind.BOOLEAN in {kind, wanted} else _cure(kind, wanted),
                )
        if isinstance(node, (exp.Least, exp.Greatest)) and wanted is Kind.BOOLEAN:
            raise self._error(node, "TRUE and FALSE have no order", cure="use OR for the greatest, AND for the least")
        return wanted

    def _case(self, node: exp.Case) -> Kind | None:
        tests = [each.this for each in node.args["ifs"]]
        if node.this is not None:
            self._same([node.this, *tests], node)
        else:
            for test in tests:
                self.want(test, Kind.BOOLEAN)
        return self._same(branches(node), node)

    def _condition(self, node: exp.Expr) -> Kind:
        if isinstance(node, exp.Boolean):
            return Kind.BOOLEAN
        if isinstance(node, (exp.And, exp.Or)):
            for part in node.flatten(unnest=False):
                self.want(part, Kind.BOOLEAN)
        elif isinstance(node, exp.Not):
            self.want(node.this, Kind.BOOLEAN)
        elif isinstance(node, exp.Is):
            self.kind(node.this)
        elif isinstance(node, exp.Like):
            self.want(node.this, Kind.STRING)
        elif isinstance(node, (*_COMPARISONS, exp.In, exp.Between)):
            self._unchained(node)
            compared = self._same(operands(node), node)
            if compared is Kind.BOOLEAN and not isinstance(node, (*_EQUALITIES, exp.In)):
                raise self._error(node, "TRUE and FALSE have no order", cure="write = or <>, or the name alone")
        return Kind.BOOLEAN

    def _unchained(self, node: exp.Expr) -> None:
        inner = node.this
        if isinstance(node, _COMPARISONS) and isinstance(inner, _COMPARISONS):
            middle = self._show(inner.expression)
            raise self._error(
                node, "comparisons do not chain", cure=f"write two: {middle} > 1 AND {middle} < 2, or BETWEEN"
            )

    def _give(self, node: exp.Expr, kind: Kind) -> None:
        """Hand a kind down to the names that a node of unknown kind stands for."""
        if isinstance(node, exp.Column):
            if node.name not in self.known:
                self.known[node.name] = kind
        elif isinstance(node, (exp.Paren, *_SAME, exp.Nullif)):
            for part in operands(node):
                self._give(part, kind)
        elif isinstance(node, exp.Case):
            for part in branches(node):
                self._give(part, kind)

    def _show(self, node: exp.Expr) -> str:
        shown: str = node.sql()
        return shown.strip('"') if isinstance(node, exp.Column) else shown

    def _error(self, node: exp.Expr, problem: str, *, cure: str = "") -> SourceError:
        return mistake(self.text, offset_of(node), problem, cure=cure)


def _cure(found: Kind, wanted: Kind, name: str = "name") -> str:
    if wanted is Kind.BOOLEAN:
        return (
            f"a condition compares: write for example {name} > 0" if found is Kind.NUMBER else f"write {name} = 'text'"
        )
    if found is Kind.BOOLEAN:
        return _BOOLEAN_CURE
    return "numbers stand without quotes, strings in single quotes"
