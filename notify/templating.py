"""The language of templates: Jinja2 in a sandbox, cut down to what wording needs, compiled once.

A template prints facts, asks whether they are known, compares them, lists them and includes a file that is shipped; it
calls and computes nothing, so no text can loop without end, fill the memory or reach into the program.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, Template, TemplateSyntaxError, UndefinedError, nodes
from jinja2.filters import FILTERS
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS

from domain.errors import SourceError
from domain.spelling import suggest

_FILTERS = ("capitalize", "default", "first", "join", "last", "length", "lower", "title", "trim", "upper")
_TESTS = ("defined", "even", "none", "odd", "undefined")
Mistake = tuple[int, str, str]
"""Line, problem, cure."""
_ALLOWED = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Block),
    *(nodes.If, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.Test),
    *(nodes.For, nodes.Getattr, nodes.Filter, nodes.Keyword, nodes.Concat),
)


class Absent(StrictUndefined):
    """A fact that is not known this time: it may be asked for, never printed."""

    def __bool__(self) -> bool:  # type: ignore[override] # asking is allowed
        return False


@cache
def absent(name: str) -> Absent:
    """The fact `name`, which nobody knows."""
    return Absent(name=name)


def _printable(value: object) -> object:
    if isinstance(value, Absent):
        raise UndefinedError(f"{value._undefined_name} is not known every time")
    if value is None:
        raise UndefinedError("what is printed here is not known every time")
    return value


def environment(folder: Path) -> ImmutableSandboxedEnvironment:
    """For words that become plain text, and may include the files of `folder`."""
    made = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        finalize=_printable,
        autoescape=False,
        auto_reload=False,
    )
    made.filters = {name: FILTERS[name] for name in _FILTERS}
    made.tests = {name: TESTS[name] for name in _TESTS}
    made.globals = {}
    return made


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of words, compiled: a whole template, or one block of it. `file` and `key` name it in errors."""

    template: Template
    file: str
    key: str = ""
    block: str = ""

    def render(self, facts: Mapping[str, Any]) -> str:
        """The text. Raises SourceError with file and line."""
        context = self.template.new_context(dict(facts))
        run = self.template.blocks[self.block] if self.block else self.template.root_render_func
        try:
            return "".join(run(context))
        except Exception as exc:
            # A template is somebody else's program: whatever it raises, a message must go out.
            raise _failure(exc, self) from exc


def _failure(exc: Exception, part: Part) -> SourceError:
    cure = ""
    name = str(exc).partition(" is not known")[0]
    if isinstance(exc, UndefinedError) and name != str(exc) and " " not in name:
        cure = f"ask first: {{% if {name} %}}…{{% else %}}…{{% endif %}}"
    problem = str(exc) if isinstance(exc, UndefinedError) else f"{type(exc).__name__}: {exc}"
    return SourceError(problem, cure=cure, file=part.file, line=_line(exc.__traceback__, part.template), key=part.key)


def _line(trace: TracebackType | None, template: Template) -> int:
    """The template's line in which the newest of its own frames stands."""
    found = 0
    while trace is not None:
        if trace.tb_frame.f_globals is template.root_render_func.__globals__:
            found = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return found


def compile_whole(
    made: ImmutableSandboxedEnvironment, text: str, *, file: str, names: Sequence[str], key: str = ""
) -> Part:
    """A text that is one piece. Raises the first SourceError of `mistakes`."""
    return Part(_compile(made, text, file=file, names=names, key=key), file, key)


def compile_blocks(
    made: ImmutableSandboxedEnvironment, text: str, *, file: str, names: Sequence[str], wanted: Sequence[str]
) -> dict[str, Part]:
    """A text made of blocks. Raises SourceError, also where a block of `wanted` is missing."""
    template = _compile(made, text, file=file, names=names)
    for block in wanted:
        if block not in template.blocks:
            cure = f"write {{% block {block} %}}…{{% endblock %}}"
            raise SourceError(f"there is no block {block!r}", cure=cure, file=file, line=1)
    return {block: Part(template, file, block, block) for block in wanted}


def _compile(
    made: ImmutableSandboxedEnvironment, text: str, *, file: str, names: Sequence[str], key: str = ""
) -> Template:
    for mistake in mistakes(made, text, file=file, names=names, key=key):
        raise mistake
    return made.from_string(text)


def mistakes(
    made: ImmutableSandboxedEnvironment, text: str, *, names: Sequence[str], file: str = "", key: str = ""
) -> Iterator[SourceError]:
    """What is wrong with a text before any fact is known: syntax, what templates may not do, names nobody knows."""
    for line, problem, cure in _mistakes(made, text, names):
        yield SourceError(problem, cure=cure, file=file, line=line, key=key)


def _mistakes(made: ImmutableSandboxedEnvironment, text: str, names: Sequence[str]) -> Iterator[Mistake]:
    try:
        tree = made.parse(text)
        found = list(_forbidden(tree, made)) or list(_unknown(tree, names))
        if not found:
            made.compile(text)
    except TemplateSyntaxError as exc:
        problem = (exc.message or "wrong syntax").rstrip(".")
        yield exc.lineno, f"{problem[:1].lower()}{problem[1:]}", "look at the {{ }} and {% %} before it"
        return
    yield from found


def _forbidden(tree: nodes.Template, made: ImmutableSandboxedEnvironment) -> Iterator[Mistake]:
    for node in tree.find_all(nodes.Node):
        line = node.lineno or 1
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            cure = suggest(node.name, _FILTERS) or f"filters are: {', '.join(_FILTERS)}"
            yield line, f"there is no filter {node.name!r}", cure
        elif isinstance(node, nodes.Test) and node.name not in _TESTS:
            yield line, f"there is no test {node.name!r}", f"tests are: {', '.join(_TESTS)}"
        elif isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
            yield line, f"{node.attr!r} is out of reach of a template", "print a fact"
        elif isinstance(node, nodes.For) and any(inner is not node for inner in node.find_all(nodes.For)):
            yield line, "one list may not stand inside another", "list once"
        elif isinstance(node, nodes.Include):
            name = node.template.value if isinstance(node.template, nodes.Const) else None
            if name not in (files := made.list_templates(filter_func=lambda file: file.count("/") == 1)):
                yield line, f"there is no file {name!r} to include", suggest(str(name), files)
        elif not isinstance(node, _ALLOWED):
            what = type(node).__name__.lower()
            yield line, f"a template may not do this ({what})", "print facts, ask with if, or list with for"
            return


def _unknown(tree: nodes.Template, names: Sequence[str]) -> Iterator[Mistake]:
    # Jinja itself knows `self`: a template's inside, which is no fact.
    strangers = (find_undeclared_variables(tree) | {"self"}) - set(names)
    lines: dict[str, int] = {}
    for node in tree.find_all(nodes.Name):
        if node.name in strangers:
            lines.setdefault(node.name, node.lineno or 1)
    for name, line in sorted(lines.items(), key=lambda item: item[1]):
        yield line, f"nobody knows {name!r}", suggest(name, names) or f"known are: {', '.join(sorted(names))}"
