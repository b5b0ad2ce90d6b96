"""`eagle doctor`: looks at program, machine, journal and config, says what is wrong and what to do, changes nothing."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from shutil import get_terminal_size
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from cli.options import FILE, JOURNAL, VAULT
from cli.streams import GREEN, RED, YELLOW, format_option, paint, write_result

if TYPE_CHECKING:
    from cli.examined import Examined

VERDICT, NAME = 9, 16  # columns; of a name as many as the longest needs


@click.command()
@click.option("--journal", type=FILE, default=JOURNAL, show_default=True, metavar="FILE", help="What to look at.")
@click.option("--config", "config_path", type=FILE, metavar="FILE", help="Look at this and its secrets too.")
@click.option("--vault", type=FILE, default=VAULT, show_default=True, metavar="FILE", help="Where `vault:` leads.")
@format_option("text", "json")
def doctor(journal: str, config_path: str | None, vault: str, style: str) -> int:
    """See whether program, machine, journal and config are fit to trade.

    Says what to do about what is not, and changes nothing. Exit code 1 if something failed; warnings alone are no
    failure.

    \b
    Examples:
      eagle doctor
      eagle doctor --config eagle.yaml --format json
    """
    from cli.examined import Health

    found = list(_examined(Path(journal), None if config_path is None else Path(config_path), vault))
    write_result(_as_json(found) if style == "json" else "\n".join(lines_of(found)))
    return 1 if any(it.health is Health.FAILED for it in found) else 0


def _examined(journal: Path, config: Path | None, vault: str) -> Iterator[Examined]:
    from cli import doctor_journal, doctor_machine, doctor_private, doctor_program
    from cli.examined import failed

    first = doctor_machine.read_clocks()
    folder = doctor_machine.nearest(journal.parent)
    looks: list[tuple[str, Callable[[], Iterator[Examined]]]] = [
        ("packages", doctor_program.packages),
        ("names", doctor_program.names),
        ("terminal", doctor_program.terminal),
        ("open files", doctor_machine.files),
        ("disk", lambda: doctor_machine.disk(folder)),
        ("sockets", lambda: doctor_machine.sockets(folder)),
        ("journal", lambda: doctor_journal.journal(journal)),
        ("state folder", lambda: doctor_private.state(journal)),
        *([("config", lambda: doctor_private.config(config, Path(vault).expanduser()))] if config is not None else []),
        ("clock", lambda: doctor_machine.clock(first)),  # last, so that some time has passed
    ]
    for name, look in looks:
        try:
            yield from look()
        except ImportError as wrong:
            yield failed(name, f"cannot be looked at: {wrong}", "mend the packages first")


def lines_of(found: Sequence[Examined]) -> Iterator[str]:
    """Each verdict with what was found and what to do, and how many of each."""
    tones = {"ok": GREEN, "warning": YELLOW, "failed": RED}
    name = max([NAME, *(len(it.check) + 2 for it in found)])
    indent = VERDICT + name
    for it in found:
        verdict = it.health.value
        painted = paint(verdict, tones[verdict], stream=sys.stdout) + " " * (VERDICT - len(verdict))
        first, *more = wrap(it.found, max(get_terminal_size().columns - indent, 40), break_on_hyphens=False)
        yield f"{painted}{it.check:<{name}}{first}"
        yield from (f"{'':{indent}}{line}" for line in more)
        if it.advice:
            yield f"{'':{indent}}-> {it.advice}"
    counts = Counter(it.health.value for it in found)
    warnings = "1 warning" if counts["warning"] == 1 else f"{counts['warning']} warnings"
    yield f"{counts['ok']} ok, {warnings}, {counts['failed']} failed"


def _as_json(found: list[Examined]) -> str:
    checks = [{**asdict(it), "health": it.health.value} for it in found]
    return json.dumps({"fit": all(it["health"] != "failed" for it in checks), "checks": checks}, indent=2)
