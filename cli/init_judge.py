"""What the loader says of a draft, and for paper what `eagle run` would say: the only judges of a config."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cli import costs, setups
from cli.init_draft import Draft
from cli.init_text import config_text
from cli.locate import CannotUse, Source
from cli.words import plain
from engine.chart.model import Finding, Flow, FlowError
from engine.runtime.config import Config, load_config
from engine.trading.limits import ExpectedCost
from exchanges.errors import ExchangeError

DRY = setups.Options(markets={}, rounds=None, seed=1, speed=None, journal=None, repeat=False, live=False)
SAME_OWNER = "G719"
UNANSWERED = frozenset({"G702", "G717"})  # a setting or limit without a value
PAPER_WORDS = "a paper venue has no terms and nobody else trades there"


class Unusable(Exception):
    """A draft that would be refused; the text says why, and is empty where only answers are missing."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A draft that would be taken. The expected cost and the asset that it is told in are known for paper."""

    config: Config
    cost: ExpectedCost | None = None
    quote: str = ""


def judge(draft: Draft, flow: Flow, *, file: str) -> Judged:
    """Raises: Unusable."""
    source = Source(file, config_text(draft, flow, file=file))
    try:
        config = load_config(source.text, file=file, flow=flow)
        if draft.real:
            return Judged(config)
        setup = setups.setup_of(flow, source, DRY)
        instrument = next(iter(setup.instruments.values()))
        return Judged(config, costs.expected_cost(setup), instrument.quote)
    except FlowError as wrong:
        raise Unusable(_told(wrong.findings)) from wrong
    except (CannotUse, ExchangeError) as wrong:
        raise Unusable(str(wrong)) from wrong


def judge_midway(draft: Draft, flow: Flow, *, file: str) -> Judged:
    """As `judge`, before owners were asked for words about trading one market (S20). Raises: Unusable."""
    words = dict.fromkeys((venue.name for venue in draft.venues), PAPER_WORDS)
    return judge(replace(draft, acknowledged={**words, **draft.acknowledged}), flow, file=file)


def clashes(draft: Draft, flow: Flow, *, file: str) -> list[str]:
    """S20: where accounts of one owner would trade one market, without words about it yet."""
    try:
        load_config(config_text(draft, flow, file=file), file=file, flow=flow)
    except FlowError as wrong:
        return [finding.message for finding in wrong.findings if finding.code == SAME_OWNER]
    return []


def cost_lines(judged: Judged) -> list[str]:
    """What a round is expected to cost, where that is known; and that it is too much, where it is."""
    cost, limit = judged.cost, judged.config.limits.max_round_cost_bps
    if cost is None:
        return []
    lines = [cost.words(judged.quote)]
    if limit is not None and cost.bps > limit:
        lines.append(f"That is above max_round_cost, {plain(limit)} bps: no round would open.")
    return lines


def _told(findings: tuple[Finding, ...]) -> str:
    """The first fault; nothing where all of them are questions that are still to come."""
    told = next((finding for finding in findings if finding.code not in UNANSWERED), None)
    if told is None:
        return ""
    return f"{told.message}; {told.hint}" if told.hint else told.message
