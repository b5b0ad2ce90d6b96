"""`eagle guard`: a second process that watches a run and finishes what it leaves when it hangs or dies (S13)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import FILE, JOURNAL, json_options, json_options_of, vault_options
from cli.streams import write_note

if TYPE_CHECKING:
    from cli.guarded import Guarded

_SECONDS = re.compile(r"([0-9]{1,4})s")
AGAIN_FIRST_S, AGAIN_MOST_S = 2, 60  # between two tries to close what a run left; each is twice the one before
CALL_EVERY = 10  # tries that fail
LEAST_SILENCE_S = 2  # a run shows itself four times a second, and a machine can be busy


def _silence(context: click.Context, parameter: click.Parameter, value: str) -> int:
    found = _SECONDS.fullmatch(value)
    if found is None or int(found[1]) < LEAST_SILENCE_S:
        raise click.BadParameter(f"{value!r}; write seconds from {LEAST_SILENCE_S}s on", context, parameter)
    return int(found[1])


@click.command()
@click.option("--config", "config_path", type=FILE, required=True, metavar="FILE", help="The config of the run.")
@click.option("--journal", type=FILE, default=JOURNAL, show_default=True, metavar="FILE", help="The run's journal.")
@click.option(
    "--silence", callback=_silence, default="5s", show_default=True, metavar="SECONDS",
    help="How long a run may show nothing.",
)  # fmt: skip
@click.option("--once", is_flag=True, help="End with the run that is watched; else wait for the next one.")
@json_options
@vault_options
def guard(
    config_path: str, journal: str, silence: int, once: bool, plain_keys: bool, rest_url: str | None,
    public_url: str | None, vault: str, passphrase_fd: int | None,
) -> int:  # fmt: skip
    """Watch a run, and finish what it leaves open when it hangs, dies or ends not flat.

    Listens to the run's control socket. When the run shows nothing for so long, or goes without an end, the guard
    calls a person, makes sure that its process is dead (it kills it), takes over its accounts and does what `eagle
    recover` does, with the accounts' `guard_credentials` where the config has them. Where it cannot make sure it
    only calls; where a venue does not answer it goes on trying. A run that ends with something open is taken over
    as well, one that ends flat is left alone. Ctrl-C ends the guard and touches nothing. Exit code 1 if something may
    still be open.

    \b
    Examples:
      eagle guard --config eagle.yaml
      eagle guard --config eagle.yaml --silence 10s --once
    """
    from cli.guarded import Guarded
    from cli.watching import Watching

    options = json_options_of(plain_keys, rest_url, public_url)
    guarded = Guarded(config_path, Path(journal), silence, vault, passphrase_fd, options)
    code = 0
    for watched in Watching(guarded):
        code = _finish(guarded) if not watched.orderly else 0
        if once or code:
            break
    return code


def _finish(guarded: Guarded) -> int:
    """Fence, then recover, again and again while that may help; calls a person at each turn."""
    from engine.runtime.patience import growing
    from engine.trading.effects import Alert, Level

    why = guarded.fence()
    if why:
        text = f"{why}; the guard does nothing: look at the accounts now"
        guarded.call(Alert(Level.PERSON, "guard_cannot_fence", text, {}))
        return 1
    write_note("its process is gone; taking over")
    for tried, pause_s in enumerate(growing(AGAIN_FIRST_S, AGAIN_MOST_S)):
        done = guarded.recover()
        if not done.code:
            guarded.call(Alert(Level.WARNING, "guard_took_over", done.text, {}))
            break
        if tried % CALL_EVERY == 0:
            then = "the guard tries again; or" if done.passing else "use"
            text = f"what the run left may not be closed (exit code {done.code}: {done.text})"
            text = f"{text}: {then} eagle recover, or by hand"
            guarded.call(Alert(Level.PERSON, "guard_failed", text, {}))
        if not done.passing:
            break
        write_note(f"not closed (exit code {done.code}: {done.text}); again in {pause_s} s")
        guarded.wait(pause_s)
    return done.code
