"""`eagle trace`: the story of a round, from a journal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from cli.drawing import svg_option, write_svg
from cli.journal_words import announce_replay, journal_and, no_replay_option
from cli.streams import format_option, write_result

if TYPE_CHECKING:
    from engine.chart.journey import Journey
    from engine.chart.model import Flow
    from engine.review.trace import RoundTrace

_ROUNDS = re.compile(r"([0-9]{1,9})(?:\.\.([0-9]{1,9}))?")


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[JOURNAL] ROUND")
@click.option("--run", "number", type=click.IntRange(min=1), metavar="N", help="Which run; the newest if left out.")
@format_option("text", "json")
@svg_option
@click.option("--mermaid", is_flag=True, help="Draw it on the flow's diagram instead of telling it, as Mermaid text.")
@no_replay_option
def trace(
    words: tuple[str, ...], number: int | None, style: str, svg_file: str | None, mermaid: bool, no_replay: bool
) -> int:  # fmt: skip
    """Tell a round of a run as a story: path, orders, fills, money.

    ROUND is a number or a range such as 3..5; without JOURNAL the usual one is read. Rows of the flow, guards, draws
    and hedging choices come from feeding the run through the step again, up to that round. Times are seconds since the
    round began and since the line before.

    \b
    Examples:
      eagle trace 3
      eagle trace state/eagle.sqlite 3 --run 2
      eagle trace 3..5 --svg rounds.svg
    """
    import json

    from cli.record import desk_of_run
    from engine.chart.render import mermaid as draw
    from engine.review.record import round_record, run_record
    from engine.review.trace import trace_rounds

    path, word = journal_and("ROUND", words)
    first, last = _rounds(word)
    make_desk = None if no_replay or mermaid else desk_of_run
    flow, traces = trace_rounds(
        path, make_desk, first=first, last=last, run=number, before_replay=announce_replay
    )  # fmt: skip
    if svg_file is not None:
        write_svg(svg_file, *_way(flow, traces))
    if mermaid:
        readable, journey = _way(flow, traces)
        write_result(draw(readable, journey=journey))
    elif style == "json":
        record = {"run": run_record(traces[0].run), "rounds": [round_record(it) for it in traces]}
        write_result(json.dumps(record, indent=2, ensure_ascii=False))
    else:
        write_result("\n".join(_lines(traces)))
    return 0


def _rounds(word: str) -> tuple[int, int]:
    found = _ROUNDS.fullmatch(word)
    if found is None:
        raise click.UsageError(f"ROUND is a number such as 3 or a range such as 3..5, found {word!r}")
    first = int(found[1])
    last = first if found[2] is None else int(found[2])
    if last < first:
        raise click.UsageError(f"ROUND: the range {word} runs backwards; write {last}..{first}")
    return first, last


# --- text


def _lines(traces: list[RoundTrace]) -> Iterator[str]:
    from cli.story import story_lines, width_of_page
    from engine.review.story import story_of
    from engine.review.words import seconds

    width = width_of_page()
    run = traces[0].run
    yield str(run)
    if not run.over:
        yield f"the run has no end: it goes on, or its process died; its last step is {run.last_seq}"
    for trace in traces:
        yield ""
        yield from _head(trace)
        yield from story_lines(story_of(trace), start_ns=trace.round.began_ns, width=width)
        yield from (f"later  {line}" for line in _late(trace))
        if trace.gap:
            yield f"rows, draws and choices are missing: {trace.gap}"
        yield "time by state:"
        leaves = {edge[0] for edge in trace.journey.edges} | {edge[2] for edge in trace.journey.edges if edge[2]}
        for name, (visits, spent_ns) in trace.journey.states.items():
            if name in leaves and spent_ns:
                yield f"{seconds(spent_ns):>9} s  {name}{f', {visits} visits' if visits > 1 else ''}"


def _head(trace: RoundTrace) -> Iterator[str]:
    from engine.review.words import money, number, seconds, span_text

    it = trace.round
    if it.ended_ns is None or it.volume is None or it.fees is None or it.cash is None:
        yield f"round {it.round}: not ended, opening side {it.side}"
    else:
        yield (
            f"round {it.round}: {seconds(it.ended_ns - it.began_ns)} s, opening side {it.side}; volume {it.volume:.2f},"
            f" fees {money(it.fees)}, cash {money(it.cash, sign=True)}"
        )
    yield (
        f"largest exposure {number(trace.largest)}; the longest stood open for {span_text(trace.longest_ns)}"
        if trace.largest
        else "no exposure"
    )


def _late(trace: RoundTrace) -> Iterator[str]:
    from engine.review.words import fill_text, seconds

    for fill in trace.late:
        yield f"{seconds(fill.at_ns - trace.round.began_ns)} {fill_text(fill)} ({fill.client_id})"


# --- drawn


def _way(flow: Flow | None, traces: list[RoundTrace]) -> tuple[Flow, Journey]:
    """The run's own flow and the way through all rounds as one. Raises: CannotUse."""
    from cli.locate import CannotUse
    from engine.chart.journey import journey_of

    if flow is None:
        raise CannotUse(f"cannot be drawn: {traces[0].gap}; draw it with the program that wrote the journal")
    hops = [hop for trace in traces for hop in trace.hops]
    return flow, journey_of(hops, until_ns=traces[-1].until_ns, caption=_caption(traces))


def _caption(traces: list[RoundTrace]) -> str:
    """`run 1, round 3`."""
    first, last = traces[0].round.round, traces[-1].round.round
    rounds = f"round {first}" if first == last else f"rounds {first} to {last}"
    return f"run {traces[0].run.number}, {rounds}"
