"""`eagle`: the commands, and one place where every error becomes one clear line and an exit code.

Command modules import what is heavy inside their functions, so that `eagle --help` stays quick.
"""

from __future__ import annotations

import errno

import click

from cli.alert import alert
from cli.audit import audit, replay
from cli.control import pause, resume, status, stop
from cli.diagram import diagram
from cli.doctor import doctor
from cli.group import WIDEST, Commands
from cli.guard import guard
from cli.hedger import hedger
from cli.init import init
from cli.prove import prove
from cli.recover import flatten, recover
from cli.report import report
from cli.run import run
from cli.schema import schema
from cli.simulate import simulate
from cli.streams import close_after_loss, close_quietly, prepare, write_error, write_note
from cli.tables import test
from cli.trace import trace
from cli.validate import validate
from cli.vault import vault
from cli.venue import venue
from cli.verbs import verbs
from cli.why import why
from engine.chart.model import FlowError
from engine.errors import EngineError
from exchanges.errors import ExchangeError

EPILOG = (
    "Exit codes: 0 ok; 1 findings, a failed run, or not flat; 2 usage; 3 account in use by another process; "
    "4 journal cannot be written; 5 journal corrupt or foreign; 6 not proved; 130 left at the third interrupt."
)
COMPLETION = (
    'Completion by tab: eval "$(_EAGLE_COMPLETE=bash_source eagle)" in ~/.bashrc; for zsh and fish say zsh_source and '
    "fish_source."
)


@click.group(
    cls=Commands, epilog=f"{EPILOG}\n\n{COMPLETION}",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST},
)  # fmt: skip
@click.version_option(package_name="eagle-flow", prog_name="eagle", message="%(prog)s %(version)s")
def eagle() -> None:
    """Delta-neutral trading strategies as YAML state charts, with every fill hedged.

    \b
    Examples:
      eagle run                         a few rounds of the demo, on paper
      eagle init                        a config of your own
      eagle run --config eagle.yaml     trade it
    """


for command in (
    *(init, doctor, vault, run, hedger, guard, recover, flatten, status, stop, pause, resume, alert),
    *(validate, prove, simulate, diagram, test, verbs, schema, venue, report, audit, replay, trace, why),
):
    eagle.add_command(command)


def main() -> int:
    """The script's entry; returns the exit code."""
    prepare()
    try:
        return int(eagle.main(prog_name="eagle", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as wrong:
        write_note(wrong.format_message())
        return wrong.exit_code
    except click.UsageError as wrong:
        write_error(_with_help(wrong.format_message().rstrip("."), wrong.ctx))
        return wrong.exit_code
    except click.ClickException as wrong:
        write_error(wrong.format_message())
        return wrong.exit_code
    except EngineError as wrong:
        write_error(str(wrong))
        return wrong.exit_code
    except (click.Abort, KeyboardInterrupt):
        write_error("interrupted")
        return 130
    except ExchangeError as wrong:
        write_error(str(wrong))
        return 1
    except FlowError as wrong:
        from cli.findings import tell

        return tell(wrong.findings, {})
    except (BrokenPipeError, SystemExit):  # click leaves by the latter when the reader of a help text has gone
        return close_quietly()
    except OSError as wrong:
        if wrong.errno != errno.ENOSPC:
            raise
        return close_after_loss(wrong)


def _with_help(text: str, context: click.Context | None) -> str:
    if context is None:
        return text
    return f"{text}{' See' if text.endswith('?') else '; see'} `{context.command_path} --help`"
