"""Everything that can be said about a compiled flow without running it: `check(flow)`.

Faults of YAML, structure, names and types are found while loading, before there is a flow to check.
"""

from __future__ import annotations

from itertools import chain

from engine.chart.check_cells import check_cells
from engine.chart.check_graph import check_graph
from engine.chart.check_names import check_names
from engine.chart.check_rows import check_rows
from engine.chart.check_time import check_time
from engine.chart.model import Finding, Flow
from engine.chart.reach import Reach

__all__ = ["check"]


def check(flow: Flow) -> list[Finding]:
    """All findings, errors and warnings, in the order of the file."""
    reach = Reach(flow)
    findings = chain(check_names(flow), check_rows(reach), check_graph(reach), check_cells(reach), check_time(reach))
    return sorted(findings, key=lambda finding: (finding.span.line, finding.span.column, finding.code))
