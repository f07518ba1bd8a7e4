"""Makes a case on which two answers differ as small as a person would want to read it.

Hypothesis shrinks choices, on which all later rows depend: minutes go by. Taking rows, fields and cells away is quick.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tests.unit.rules.reference_strategies import Case

ESSENTIAL = {"kind", "name", "when", "signals"}
PLAIN: tuple[dict[str, Any], ...] = (
    {"attributes": None, "registered": {}},
    {"registered": {}},
    {"suffix": "csv"},
    {"stamps": "ms"},
    {"cut": 0},
)


def smallest(case: Case, *, differs: Callable[[Case], bool], seconds: float = 45) -> Case:
    """A part of `case` for which `differs` still holds; what is found when the time is over."""
    until = time.monotonic() + seconds
    for steps in (_one_rule, _fewer_rows, _plainer, _fewer_cells):
        case = _descend(case, steps, differs=differs, until=until)
    return case


def _descend(
    case: Case, steps: Callable[[Case], Iterator[Case]], *, differs: Callable[[Case], bool], until: float
) -> Case:
    """Take the first step that keeps the difference, again and again."""
    while time.monotonic() < until:
        found = next((part for part in steps(case) if time.monotonic() < until and differs(part)), None)
        if found is None:
            break
        case = found
    return case


def _one_rule(case: Case) -> Iterator[Case]:
    if len(case.rules) > 1:
        yield from (replace(case, rules=(rule,)) for rule in case.rules)


def _fewer_rows(case: Case) -> Iterator[Case]:
    """Without a half, a quarter … one of the rows; the first row stays, since it gives every metric its kind."""
    size = len(case.rows) // 2
    while size:
        for start in range(1, len(case.rows), size):
            yield replace(case, rows=case.rows[:start] + case.rows[start + size :])
        size //= 2


def _plainer(case: Case) -> Iterator[Case]:
    for number, rule in enumerate(case.rules):
        for key in rule.keys() - ESSENTIAL:
            less = {name: value for name, value in rule.items() if name != key}
            yield replace(case, rules=(*case.rules[:number], less, *case.rules[number + 1 :]))
    for fields in PLAIN:
        plainer = replace(case, **fields)
        if plainer != case:
            yield plainer


def _fewer_cells(case: Case) -> Iterator[Case]:
    for number, row in enumerate(case.rows[1:], start=1):
        for metric in row.values:
            less = replace(row, values={name: value for name, value in row.values.items() if name != metric})
            yield replace(case, rows=(*case.rows[:number], less, *case.rows[number + 1 :]))
