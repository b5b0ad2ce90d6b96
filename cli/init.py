"""`eagle init`: a config from questions or options, shown and judged before it is written."""

from __future__ import annotations

import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.ask import ask, at_terminal, confirmed
from cli.options import FILE
from cli.streams import BLUE, BOLD, PLAIN, RED, colourful, paint, write_note, write_result

if TYPE_CHECKING:
    from cli.init_draft import Draft
    from cli.init_judge import Judged
    from cli.locate import Source
    from engine.chart.model import Flow

CONFIG = "eagle.yaml"
FLOW = "eagle_chicken"
TRIAL_ROUNDS = "2"
WELCOME = """\
This makes a config: where, with which accounts and within which limits to trade.
Enter takes the value in brackets; Ctrl-C leaves. You see all before it is written."""


@click.command()
@click.argument("file", type=FILE, default=CONFIG, metavar="[FILE]")
@click.option("--flow", "flow_path", type=FILE, metavar="PATH", help="The flow: a path, or the name of a shipped one.")
@click.option("--market", metavar="NAME", help="The market, by a name of your own: ETH-PERP.")
@click.option(
    "--venue", "venues", multiple=True, metavar="NAME=KIND", help="A venue: paper, backpack, lighter, okx or binance."
)
@click.option("--symbol", "symbols", multiple=True, metavar="VENUE=SYMBOL", help="What a venue calls the market.")
@click.option("--use", "roles", multiple=True, metavar="ROLE=NAME@VENUE,...", help="The accounts of a role.")
@click.option("--owner", "owners", multiple=True, metavar="NAME|ACCOUNT=NAME", help="Who owns all accounts, or one.")
@click.option("--balance", metavar="CASH", help="What each paper account starts with.")
@click.option("--dedicated", multiple=True, metavar="ACCOUNT", help="All that this account holds may be closed.")
@click.option(
    "--credential",
    "places",
    multiple=True,
    metavar="ACCOUNT.NAME=vault:NAME|file:PATH|...",
    help="Where a secret is kept.",
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of the flow: quantity=0.02.")
@click.option("--limit", "limits", multiple=True, metavar="NAME=VALUE", help="A limit: max_loss_run=50.")
@click.option("--guard", "guards", multiple=True, metavar="NAME=VALUE", help="A market guard: spread=10bps.")
@click.option(
    "--acknowledge", "words", multiple=True, metavar="VENUE=WORDS", help="Why one owner may trade one market there."
)
@click.option("--call", metavar="COMMAND", help="Called when a person is needed: 'notify-send eagle'.")
@click.option("--dry-run", is_flag=True, help="Print the config and write nothing.")
@click.option("--yes", is_flag=True, help="Ask nothing: defaults for the rest, and write.")
@click.option("--overwrite", is_flag=True, help="With --yes: replace FILE if it is there.")
def init(
    file: str, flow_path: str | None, market: str | None, venues: tuple[str, ...], symbols: tuple[str, ...],
    roles: tuple[str, ...], owners: tuple[str, ...], balance: str | None, dedicated: tuple[str, ...],
    places: tuple[str, ...], settings: tuple[str, ...], limits: tuple[str, ...], guards: tuple[str, ...],
    words: tuple[str, ...], call: str | None, dry_run: bool, yes: bool, overwrite: bool,
) -> int:  # fmt: skip
    """Write a config of your own, eagle.yaml unless FILE is given.

    Asks on a terminal; each answer is checked at once, and the whole is shown, checked and priced before anything is
    written. Options answer questions beforehand; with --yes nothing is asked. Secrets are never asked for: the config
    says where they are kept.

    \b
    Examples:
      eagle init
      eagle init --yes --set quantity=0.05 --limit max_loss_run=50
      eagle init real.yaml --venue backpack --venue lighter
    """
    from cli.private_file import write_private

    answers = {
        **_single(market=market, balance=balance, call=call),
        **({"venues": " ".join(venues)} if venues else {}),
        **_named("--symbol", "VENUE=SYMBOL", symbols, prefix="symbol"),
        **_named("--use", "ROLE=NAME@VENUE,...", roles, prefix="use"),
        **_owners(owners),
        **{f"dedicated.{account}": "true" for account in dedicated},
        **_named("--credential", "ACCOUNT.NAME=file:PATH", places, prefix="credential"),
        **_named("--set", "NAME=VALUE", settings, prefix="set"),
        **_named("--limit", "NAME=VALUE", limits, prefix="limit"),
        **_named("--guard", "NAME=VALUE", guards, prefix="guard"),
        **_named("--acknowledge", "VENUE=WORDS", words, prefix="acknowledge"),
    }
    asking = at_terminal() and not yes
    if not (asking or yes or dry_run):
        raise click.UsageError("nobody to ask: give answers as options, and --yes to write (or --dry-run to look)")
    path = Path(file)
    if not dry_run:
        _check_place(path, may_replace=asking or overwrite)
    try:
        made = _made(path, flow_path, answers, asking=asking, dry_run=dry_run)
        if dry_run or not made.usable:
            return 0 if made.usable else 1
        there = path.exists()
        if asking and not _agreed(path, there=there):
            write_note("nothing was written")
            return 0
        write_private(path, made.text, replace=there)
    except (click.Abort, KeyboardInterrupt):
        write_note("nothing was written")
        raise
    write_note(f"wrote {path}, readable by you alone\n{_next_steps(path, made.draft)}")
    return _offer_run(path, made) if asking else 0


@dataclass(frozen=True, slots=True)
class Made:
    """What would be written."""

    flow: Flow
    draft: Draft
    text: str
    usable: bool


def _made(path: Path, flow_path: str | None, answers: dict[str, str], *, asking: bool, dry_run: bool) -> Made:
    """The config from questions and options, shown and judged. Raises: CannotUse, click.UsageError, click.Abort."""
    from cli.init_judge import Unusable, judge
    from cli.init_questions import Interview
    from cli.init_text import config_text
    from cli.locate import CannotUse, Source

    if asking:
        write_note(WELCOME)
    flow_name, flow = _flow(flow_path, asking=asking)
    interview = Interview(flow, str(path), answers, ask if asking else None, settled={"flow": flow_name})
    try:
        draft = interview.hold()
        judged = judge(draft, flow, file=str(path))
    except Unusable as wrong:
        raise CannotUse(f"{wrong}; nothing was written") from wrong
    text = config_text(draft, flow, file=str(path))
    if dry_run:
        write_result(text)
    elif asking:
        write_note(f"\n{paint(f'--- {path}', BOLD, stream=sys.stderr)}\n{_tinted(text)}---")
    return Made(flow, draft, text, usable=_tell_verdict(Source(str(path), text), judged))


def _check_place(path: Path, *, may_replace: bool) -> None:
    """What would make the answers futile is told before the first question. Raises: CannotUse."""
    from cli.locate import CannotUse
    from engine.runtime.folders import is_device

    folder = path.resolve().parent
    if path.is_dir() or is_device(path):
        what = "a folder" if path.is_dir() else "no ordinary file"
        raise CannotUse(f"{path}: is {what}; name a file for the config")
    if not folder.is_dir():
        raise CannotUse(f"{path}: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CannotUse(f"{path}: nothing may be written into {folder}; choose another place")
    if path.exists() and not may_replace:
        raise CannotUse(f"{path}: is there already; --overwrite replaces it, or name another file")


def _flow(given: str | None, *, asking: bool) -> tuple[str, Flow]:
    """The flow and how the config names it."""
    from cli.locate import CannotUse, read_flow_source
    from cli.setups import sound_flow
    from engine.chart.model import FlowError

    while True:
        name = given or (ask(f"  flow, a path or the name of a shipped one [{FLOW}]: ") if asking else "") or FLOW
        try:
            return name, sound_flow(read_flow_source(name))
        except (CannotUse, FlowError) as wrong:
            text = str(wrong) if isinstance(wrong, CannotUse) else f"{wrong}; see `eagle validate {name}`"
            if given or not asking:
                raise CannotUse(text) from wrong
            write_note(f"  {paint(text, RED, stream=sys.stderr)}")


def _tell_verdict(source: Source, judged: Judged) -> bool:
    """What `eagle validate` says, and what a round is expected to cost on paper; True if it can be used."""
    from cli.checking import Checker
    from cli.findings import has_errors
    from cli.init_judge import cost_lines

    checker = Checker(None)
    checker.check_sources([source])
    write_note("\n".join([checker.as_text(colour=colourful(sys.stderr)), *cost_lines(judged)]))
    return not has_errors(checker.findings)


def _agreed(path: Path, *, there: bool) -> bool:
    if there:
        return confirmed(f"{path} is there already. Replace it with this", default=False)
    return confirmed(f"Write this to {path}", default=True)


def _next_steps(path: Path, draft: Draft) -> str:
    name = shlex.quote(str(path))
    if not draft.real:
        return f"  eagle run --config {name}          runs it; Ctrl-C once stops in order"
    places = [place for account in draft.accounts for source, place in account.credentials.values() if source == "file"]
    return "\n".join(
        [
            "Put each secret into its file, readable by you alone (chmod 600):",
            *(f"  {place}" for place in places),
            f"  eagle doctor --config {name}       looks at the secrets, this machine and the journal",
            f"  eagle validate --online {name}     asks the venues, without trading",
            f"  eagle alert test --config {name}   calls you, once `alerts:` says how",
            f"  eagle run --config {name} --live   trades with real money, once all of these passed",
        ]
    )


def _offer_run(path: Path, made: Made) -> int:
    """The config itself on paper; the demo where it names real venues."""
    from cli.run import run

    rounds = ["--rounds", TRIAL_ROUNDS] if "rounds" in made.flow.settings else []
    what = "the demo on paper venues, without money," if made.draft.real else "it"
    if not confirmed(f"\nRun {what} now, for {TRIAL_ROUNDS} rounds", default=False):
        return 0
    return int(run.main([*([] if made.draft.real else ["--config", str(path)]), *rounds], standalone_mode=False))


def _tinted(text: str) -> str:
    """Comments stand back, so that the values are seen."""
    if not colourful(sys.stderr):
        return text
    return re.sub(r"(^|(?<=\s))#.*", lambda found: f"{BLUE}{found[0]}{PLAIN}", text, flags=re.MULTILINE)


# --- options


def _single(**given: str | None) -> dict[str, str]:
    return {key: text for key, text in given.items() if text is not None}


def _named(option: str, form: str, given: tuple[str, ...], *, prefix: str) -> dict[str, str]:
    """`NAME=VALUE` texts by `prefix.NAME`. Raises: click.UsageError for another form, or a name that comes twice."""
    answers: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            found = "" if prefix == "credential" else f", found {text}"  # it may be a secret
            raise click.UsageError(f"{option}: expected {form}{found}")
        if f"{prefix}.{name}" in answers:
            raise click.UsageError(f"{option}: {name} is given twice")
        answers[f"{prefix}.{name}"] = value
    return answers


def _owners(given: tuple[str, ...]) -> dict[str, str]:
    """`NAME` for all accounts, or `ACCOUNT=NAME` for one."""
    common = [text for text in given if "=" not in text]
    if len(common) > 1:
        raise click.UsageError("--owner: two owners for all accounts; write ACCOUNT=NAME for a single one")
    single = tuple(text for text in given if "=" in text)
    answers = _named("--owner", "ACCOUNT=NAME", single, prefix="owner")
    return {"owner": common[0], **answers} if common else answers
