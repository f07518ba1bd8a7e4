"""The size gate: functions, modules and test modules stay small; exemptions stand in one list, each with its reason."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("api", "app", "devices_sim", "dispatch", "domain", "ingest", "notify", "rules", "store", "tickets")
FUNCTION_LINES, MODULE_LINES, TEST_LINES = 50, 400, 600

EXEMPT = {
    "store/migrations/versions": "generated: one long list of tables",
}


def main() -> int:
    """Print what is too large; exit code 1 if anything is."""
    problems = [p for path in _files() for p in _check(path)]
    for problem in problems:
        print(problem, file=sys.stderr)  # noqa: T201
    return bool(problems)


def _files() -> Iterator[Path]:
    for name in (*PACKAGES, "tests", "benchmarks"):
        yield from sorted((ROOT / name).rglob("*.py"))


def _check(path: Path) -> Iterator[str]:
    name = path.relative_to(ROOT).as_posix()
    if any(name.startswith(prefix) for prefix in EXEMPT):
        return
    text = path.read_text()
    tree = ast.parse(text)
    lines, limit = text.count("\n"), TEST_LINES if name.startswith("tests/") else MODULE_LINES
    if lines > limit:
        yield f"{name}: {lines} lines; a module has at most {limit}"
    if not ast.get_docstring(tree):
        yield f"{name}:1: no sentence on its place in the flow"
    if path.name == "__init__.py":
        extra = [n for n in tree.body[1:] if not isinstance(n, ast.Import | ast.ImportFrom | ast.Assign)]
        yield from (f"{name}:{node.lineno}: an __init__.py only re-exports" for node in extra)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            if size > FUNCTION_LINES:
                yield f"{name}:{node.lineno}: {node.name} has {size} lines; a function has at most {FUNCTION_LINES}"


if __name__ == "__main__":
    sys.exit(main())
