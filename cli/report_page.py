"""A report as one HTML page that needs nothing else: no script, no network, light or dark as the reader's system is."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from cli.report_charts import PAGE, Shown, charts_of, drawn
from cli.report_sections import Line, Section, Table, heading, preface, sections
from cli.report_words import bps_of, money, share, span
from engine.review.report_figures import Report

__all__ = ["page"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --faint: #5c6773; --grid: #e3e7ec; --line: #1f6feb; --band: #9ec5fe;
  --gain: #1a7f4b; --loss: #c93c37; --warn: #9a6700; --back: #f6f7f9; --card: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --faint: #98a2b0; --grid: #2c333d; --line: #6ea8fe;
  --band: #4a78bf; --gain: #4cc38a; --loss: #ff7b72; --warn: #e3b341; --back: #12161c; --card: #1a2029; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem 1.25rem 4rem; background: var(--back); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 1280px; margin: 0 auto; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.05rem; margin: 0 0 .6rem; }
p { margin: .15rem 0; max-width: 80ch; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .75rem; margin: 1.25rem 0; }
.tile, section { background: var(--card); border: 1px solid var(--grid); border-radius: 10px; padding: .9rem 1.1rem; }
.tile b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.tile span { color: var(--faint); font-size: .85rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: .75rem; }
.charts section { padding: .6rem; }
.charts svg { display: block; width: 100%; height: auto; }
.tables { columns: 2 580px; column-gap: .75rem; margin-top: .75rem; }
.tables section { break-inside: avoid; margin-bottom: .75rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .4rem 0; font-variant-numeric: tabular-nums; font-size: .86rem; }
th, td { padding: .18rem .6rem .18rem 0; text-align: right; white-space: nowrap; }
th { color: var(--faint); font-weight: 500; }
th.text, td.text { text-align: left; }
tr.strong td { font-weight: 650; border-top: 1px solid var(--grid); }
.faint { color: var(--faint); font-size: .88rem; }
.good, .gain { color: var(--gain); } .bad, .loss { color: var(--loss); } .warning { color: var(--warn); }
"""
_VARIABLES = {
    PAGE.ink: "--ink", PAGE.faint: "--faint", PAGE.grid: "--grid", PAGE.line: "--line", PAGE.band: "--band",
    PAGE.gain: "--gain", PAGE.loss: "--loss",
}  # fmt: skip


def page(shown: Shown, *, journal: str) -> str:
    """`journal` is named at the foot of the page."""
    report = shown.report
    title = escape(heading(report))
    body = "\n".join(
        (
            f"<h1>{title}</h1>", *map(_line, preface(report)),
            f'<div class="tiles">{"".join(_tiles(report))}</div>',
            f'<div class="charts">{"".join(_charts(shown))}</div>',
            f'<div class="tables">{"".join(map(_section, sections(report)))}</div>',
            f'<p class="faint">from {escape(journal)} by {escape(report.run.program)}</p>',
        )
    )  # fmt: skip
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _tiles(report: Report) -> Iterator[str]:
    it, quote = report.money, report.run.quote
    tone = "loss" if it.pnl < 0 else "gain"
    yield _tile(money(it.pnl, sign=True), f"P&L, {quote}", tone)
    yield _tile(money(it.volume, digits=0), f"volume, {quote}")
    yield _tile(f"{report.rounds.done:,}", f"rounds in {span(report.run.length_ns)}")
    if report.cost.rounds:
        yield _tile(bps_of(report.cost.realised, report.cost.notional), "bps, mean cost of a round")
    opening = next((it for it in report.orders if it.purpose == "open"), None)
    if opening is not None:
        yield _tile(share(opening.fill_rate), "of opening quantity filled")
    held = "longest exposure above dust" if report.run.hedged else "longest time with a position"
    yield _tile(span(report.deviation.age_ns.most), held)


def _tile(figure: str, name: str, tone: str = "") -> str:
    return f'<div class="tile"><b class="{tone}">{escape(figure)}</b><span>{escape(name)}</span></div>'


def _charts(shown: Shown) -> Iterator[str]:
    for draw in charts_of(shown.report):
        svg = drawn(draw, shown)
        for colour, variable in _VARIABLES.items():
            svg = svg.replace(colour, f"var({variable})")
        about = escape((draw.__doc__ or "").strip(), quote=True)
        yield f'<section><svg role="img" aria-label="{about}"{svg.removeprefix("<svg")}</section>'


def _section(section: Section) -> str:
    parts = "".join(_line(part) if isinstance(part, Line) else _table(part) for part in section.parts)
    return f"<section><h2>{escape(section.title)}</h2>{parts}</section>\n"


def _line(line: Line) -> str:
    return f'<p class="{line.tone.value}">{escape(line.text)}</p>'


def _table(table: Table) -> str:
    def cells(row: tuple[str, ...], tag: str) -> str:
        kinds = (' class="text"' if place < table.texts else "" for place in range(len(row)))
        return "".join(f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in zip(kinds, row, strict=True))

    head = f"<thead><tr>{cells(table.head, 'th')}</tr></thead>"
    kinds = (' class="strong"' if row[0] == table.strong else "" for row in table.rows)
    rows = "".join(f"<tr{kind}>{cells(row, 'td')}</tr>" for kind, row in zip(kinds, table.rows, strict=True))
    return f'<div class="scroll"><table>{head}<tbody>{rows}</tbody></table></div>'
