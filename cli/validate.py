"""`eagle validate`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from cli.options import FILE, json_options, json_options_of, vault_options
from cli.streams import colourful, format_option, write_result

if TYPE_CHECKING:
    from cli.examined import Examined
    from engine.chart.model import Flow
    from engine.runtime.config import Config


@click.command()
@click.argument("files", type=FILE, nargs=-1, required=True, metavar="FILE...")
@click.option("--flow", "flow_path", type=FILE, metavar="PATH", help="The flow that configs are checked against.")
@click.option("--online", is_flag=True, help="Ask the venues of configs too; nothing is traded.")
@json_options
@vault_options
@format_option("text", "json")
def validate(
    files: tuple[str, ...], flow_path: str | None, online: bool, plain_keys: bool, rest_url: str | None,
    public_url: str | None, vault: str, passphrase_fd: int | None, style: str,
) -> int:  # fmt: skip
    """Find every fault of flows, configs and transition tables.

    A file's content tells which it is. A config is checked against --flow, or else the flow that it names, the one flow
    among the files, the eagle flow.
    Of a sound config that is all paper it also tells what a round and a day are expected to cost.
    With --online the venues of sound configs are asked, with the accounts' keys: symbols, base assets, sizes, fees,
    tier and requests a minute, clock, leverage and margin mode, rights of the key, expected cost of a round.
    Exit code 1 on errors; warnings alone are no errors.

    \b
    Examples:
      eagle validate flows/eagle_chicken.yaml docs/examples/eagle_paper.yaml
      eagle validate --online eagle.yaml
      eagle validate hedger.json --plain-keys --rest-url http://api.example --public-url https://public.example
    """
    from cli.checking import Checker
    from cli.examined import Health
    from cli.findings import has_errors
    from engine.chart.report import as_json

    checker = Checker(flow_path, json_options_of(plain_keys, rest_url, public_url))
    checker.check(files)
    wrong = has_errors(checker.findings)
    found = _asked(checker.configs, vault, passphrase_fd) if online and not wrong else {}
    if style == "json":
        write_result(_with_answers(as_json(checker.findings), found) if online else as_json(checker.findings))
    else:
        write_result("\n".join([checker.as_text(colour=colourful(sys.stdout)), *checker.notes, *_lines(found)]))
    return 1 if wrong or any(it.health is Health.FAILED for each in found.values() for it in each) else 0


def _asked(
    configs: Sequence[tuple[Config, Flow]], vault: str, passphrase_fd: int | None
) -> Mapping[str, Sequence[Examined]]:
    import time

    from cli import costs
    from cli.examined import Health, failed
    from cli.live_gate import ONLINE, note_passed
    from cli.locate import Source
    from cli.resolve import resolver

    found: dict[str, Sequence[Examined]] = {}
    for config, flow in configs:
        checks = list(costs.examine_online(config, flow, resolver(vault, passphrase_fd)))
        if checks and not any(it.health is Health.FAILED for it in checks):
            asked = Source(config.file, config.text)  # the file may have been edited since
            note_passed(ONLINE, asked, flow=flow, wall_ms=time.time_ns() // 1_000_000)
        nothing = failed("venues", "all of them are paper: there is nobody to ask", "leave --online out")
        found[config.file] = checks or [nothing]
    if not found:
        raise click.UsageError("--online is for configs, and none of the files is one")
    return found


def _lines(found: Mapping[str, Sequence[Examined]]) -> Iterator[str]:
    from cli.doctor import lines_of

    for file, checks in found.items():
        yield f"\n{file}, as its venues see it:"
        yield from lines_of(checks)


def _with_answers(findings: str, found: Mapping[str, Sequence[Examined]]) -> str:
    import json
    from dataclasses import asdict

    answers = {file: [{**asdict(it), "health": it.health.value} for it in checks] for file, checks in found.items()}
    return json.dumps({"findings": json.loads(findings), "online": answers}, indent=2)
