"""`eagle why`: the reasons of an order, from a journal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from cli.journal_words import announce_replay, journal_and, no_replay_option
from cli.streams import format_option, write_note, write_result

if TYPE_CHECKING:
    from engine.review.why import OrderStory


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[JOURNAL] ORDER")
@click.option("--run", "number", type=click.IntRange(min=1), metavar="N", help="Which run; the newest that has it.")
@format_option("text", "json")
@no_replay_option
def why(words: tuple[str, ...], number: int | None, style: str, no_replay: bool) -> int:
    """Say why an order was made, step by step.

    From the event over the state and the row of the flow, or the hedging rule, to request, fills and end. ORDER is a
    client id or the venue's order id; without JOURNAL the usual one is read. Cancels are told with reasons of their
    own. What happened inside the steps comes from feeding the run through the step again.

    \b
    Examples:
      eagle why e1r2lhedgea1
      eagle why state/eagle.sqlite e1r2lopeninga1 --run 1
    """
    import json

    from cli.record import desk_of_run
    from engine.review.record import order_record
    from engine.review.why import why_order

    path, word = journal_and("ORDER", words)
    make_desk = None if no_replay else desk_of_run
    story = why_order(path, make_desk, word, run=number, before_replay=announce_replay)
    if story.also_in and number is None:
        others = ", ".join(map(str, story.also_in))
        write_note(f"run {story.run.number} is told; other runs have an order {word} too: {others} (--run)")
    if style == "json":
        write_result(json.dumps(order_record(story), indent=2, ensure_ascii=False))
    else:
        write_result("\n".join(_lines(story)))
    return 0


def _lines(story: OrderStory) -> Iterator[str]:
    from cli.story import story_lines, width_of_page, word_lines
    from engine.review.reason_text import end_lines, head_text, life_of, reason_lines

    width = width_of_page()
    yield str(story.run)
    yield head_text(story)
    yield ""
    yield from word_lines(reason_lines(story, story.placed), width=width)
    for reason in story.cancels:
        yield ""
        yield from word_lines(reason_lines(story, reason), width=width)
    yield ""
    yield from story_lines(life_of(story), start_ns=story.placed.request.at_ns, width=width)
    yield ""
    yield from word_lines(end_lines(story), width=width)
    if story.gap:
        yield f"rows, draws and choices are missing: {story.gap}"
