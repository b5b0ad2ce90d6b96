"""The table of the fault catalogue in docs/simulate.md, from the catalogue itself and the tests of its rows."""

from __future__ import annotations

from page_kit import code, table
from pages_kit import page
from test_fault_catalogue import ELSEWHERE, PLAYED

from engine.runtime.simulate.catalogue import CATALOGUE, Row

BEGIN, END = "<!-- made by `make docs` -->\n", "<!-- end -->"


def with_catalogue() -> str:
    """The page with its table made anew."""
    before, _, rest = page("docs/simulate.md").text.partition(BEGIN)
    rows = [[str(row.number), row.title, *_tested(row)] for row in CATALOGUE]
    lines = table(["", "fault", "played by", "what must happen, in its test"], rows)
    return before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + rest.partition(END)[2]


def _tested(row: Row) -> list[str]:
    if not row.faults:
        return ["no plan", f"{row.elsewhere.partition(':')[0]}: {code(ELSEWHERE[row.number])}"]
    words = PLAYED[row.number].expect.__doc__ or ""
    return [", ".join(code(fault) for fault in row.faults), words.partition(": ")[2]]
