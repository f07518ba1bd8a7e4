"""Which ticks a rule must look at: between two rows of a device mostly silence itself grows, and truth changes where it
meets what it is compared with.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from sqlglot import exp

from rules import ticks as tick_marks
from rules.expressions import Expression
from rules.model import Kind
from rules.program import Program
from rules.readout import Readout
from rules.samples import NEVER, Channel, Ints
from rules.ticks import Stretches

_GROWING = frozenset({"silence", "since", "held"})
"""Signals that grow by one each second as long as nothing else happens."""
_COMPARISONS = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ, exp.NEQ)


def thin(
    parts: Stretches, ticks: Sequence[int], readout: Readout, *, program: Program, kinds: Mapping[str, Kind]
) -> Stretches:
    """Cut the stretches so that the rule's truth does not change within one. Where that cannot be told: at every tick."""
    return tick_marks.spread(parts)
