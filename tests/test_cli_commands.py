"""The other commands, and what all commands share: help, closed pipes, quick starts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from cli_kit import FLOW, ROOT, Eagle, Said, eagle

from cli.group import SECTIONS
from cli.main import eagle as commands
from engine.trading.vocabulary import trading_vocabulary

__all__ = ["eagle"]

NAMES = sorted(commands.commands)
HEAVY = ("asyncio", "jsonschema", "peewee", "rich", "sqlite3", "transitions", "yaml")
ROW = "  - {{in: IDLE.ready, given: {{may_open: false}}, when: always, then: {then}, sends: [], because: E5}}\n"
TABLE = f"table: small\nflow: eagle_chicken\nsettings: {{quantity: 1}}\nrows:\n{ROW.format(then='stay')}"


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_a_sentence_and_an_example(eagle: Eagle, name: str) -> None:
    said = eagle(name, "--help")
    assert (said.code, said.err) == (0, "")
    assert f"\n    eagle {name} " in said.out


def test_no_command_prints_the_help_and_fails(eagle: Eagle) -> None:
    said = eagle()
    assert (said.code, said.out) == (2, "")
    assert "Usage: eagle [OPTIONS] COMMAND [ARGS]..." in said.err
    assert eagle("fly") == Said(2, "", "eagle: No such command 'fly'; see `eagle --help`\n")
    assert eagle("help", "run") == Said(2, "", "eagle: no such command; it is an option: eagle run --help\n")
    assert eagle("version") == Said(2, "", "eagle: no such command; it is an option: eagle --version\n")
    assert eagle("rnu") == Said(2, "", "eagle: No such command 'rnu'. Did you mean 'run'? See `eagle --help`\n")


def test_every_command_is_listed_where_it_belongs(eagle: Eagle) -> None:
    help_text = eagle("--help").out
    assert set(NAMES) <= {name for names in SECTIONS.values() for name in names}
    for title, names in SECTIONS.items():
        section = help_text.partition(f"\n{title}:\n")[2].partition("\n\n")[0]
        assert re.findall(r"^  (\w+)  ", section, re.MULTILINE) == [name for name in names if name in NAMES]


def test_help_loads_nothing_heavy() -> None:
    script = f"import sys, cli.main; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("interrupted", ["cli.main", "click", "cli.streams"])
def test_an_interrupt_while_the_program_is_read_in_is_one_line(interrupted: str) -> None:
    """Python would show where in its own imports it was."""
    script = f"""
import sys

class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == {interrupted!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
from cli.entry import main
sys.exit(main())
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "eagle: interrupted\n")


def test_the_script_reads_in_nothing_before_it_looks_after_interrupts() -> None:
    script = "import sys, __future__; before = {*sys.modules}; import cli.entry; print(sorted({*sys.modules} - before))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "['cli', 'cli.entry']\n"


def test_an_interrupt_behind_the_result_does_not_change_it() -> None:
    """A second Ctrl-C often comes when the first has ended the run."""
    script = """
import os, signal, sys
import cli.entry
cli.entry._perform = lambda: 0
code = cli.entry.main()
os.kill(os.getpid(), signal.SIGINT)
sys.exit(code)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("args", [("verbs",), ("diagram", FLOW), ("--help",), ("validate", FLOW, "--format", "json")])
def test_a_reader_that_goes_away_is_no_error(args: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; from cli.main import main; sys.exit(main())", *args],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("args", [("verbs",), ("--help",), ("run", "--help"), ("--version",)])
def test_a_result_that_cannot_be_written_is_one_line(args: tuple[str, ...]) -> None:
    script = "import sys; from cli.main import main; sys.exit(main())"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script, *args], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"eagle: the result cannot be written (No space left on device)\n")


# --- verbs and diagrams


def test_verbs_lists_the_whole_vocabulary(eagle: Eagle) -> None:
    vocabulary = trading_vocabulary()
    told = json.loads(eagle("verbs", "--format", "json").out)
    assert [it["name"] for it in told["events"]] == list(vocabulary.events)
    assert [it["name"] for it in told["verbs"]] == list(vocabulary.verbs)
    assert list(told["facts"]) == list(vocabulary.names)
    lines = eagle("verbs").out.splitlines()
    for name in (*vocabulary.events, *vocabulary.verbs, *vocabulary.names):
        assert any(line.startswith(f"  {name}") for line in lines), name
    assert "      leg: name of a leg - which leg of the flow" in lines


@pytest.mark.parametrize(("style", "start"), [("mermaid", "stateDiagram-v2"), ("dot", "digraph"), ("svg", "<svg ")])
def test_a_diagram_goes_to_stdout_or_a_file(eagle: Eagle, tmp_path: Path, style: str, start: str) -> None:
    drawn = eagle("diagram", FLOW, "--format", style)
    assert drawn.code == 0
    assert start in drawn.out
    assert "HOLDING" in drawn.out
    written = eagle("diagram", FLOW, "--format", style, "-o", "x.txt")
    assert (written.code, written.out) == (0, "")
    assert (tmp_path / "x.txt").read_text() == drawn.out
    assert eagle("diagram", FLOW, "--format", style, "--highlight", "HOLDING").out != drawn.out


def test_a_diagram_that_cannot_be_made_is_one_line(eagle: Eagle) -> None:
    wrong = eagle("diagram", FLOW, "--highlight", "HOLDNG")
    assert wrong == Said(2, "", f'eagle: --highlight: no state "HOLDNG" in {FLOW}; did you mean "HOLDING"?\n')
    unwritable = eagle("diagram", FLOW, "-o", "no/such/folder")
    assert unwritable.code == 2
    assert unwritable.err.startswith("eagle: --output: no/such/folder cannot be written")
    themed = eagle("diagram", FLOW, "--theme", "dark")
    message = "--theme: mermaid text has no theme; leave it out, or ask for --format svg; see `eagle diagram --help`"
    assert themed == Said(2, "", f"eagle: {message}\n")


def test_a_diagram_without_a_layout_engine_says_what_to_install(eagle: Eagle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    monkeypatch.setattr("shutil.which", lambda _program: None)
    missing = eagle("diagram", FLOW, "--format", "svg")
    assert (missing.code, missing.out) == (2, "")
    assert missing.err.startswith('eagle: drawing SVG needs wasmtime: pip install "eagle-flow[diagram]", or install')
    assert missing.err.count("\n") == 1


def test_a_diagram_has_the_theme_that_was_asked_for(eagle: Eagle) -> None:
    drawn = {
        theme: eagle("diagram", FLOW, "--format", "svg", "--theme", theme).out for theme in ("auto", "light", "dark")
    }
    assert len({*drawn.values()}) == 3
    assert eagle("diagram", FLOW, "--format", "svg").out == drawn["auto"]


# --- tables


def test_tables_pass_and_say_what_they_cover(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(TABLE)
    said = eagle("test", "small.yaml")
    assert said.code == 0
    assert said.out.startswith("small.yaml: 1 rows, 0 failed\n  ok   IDLE.ready · always (E5)\n")
    assert "  transitions taken: 0 of " in said.out


def test_a_row_that_fails_is_shown_with_what_happened(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "small.yaml").write_text(TABLE + ROW.format(then="HOLDING"))
    said = eagle("test", "tables")
    assert said.code == 1
    assert "tables/small.yaml: 2 rows, 1 failed\n" in said.out
    assert (
        "       then: expected HOLDING, got stay\n"
        "       expected IDLE.ready -> HOLDING, but no row that was asked leads there\n"
        "       actual   IDLE.ready, always\n"
    ) in said.out
    assert "closed line " in said.out
    assert ", where may_open = false\n       sends    nothing\n" in said.out
    told = json.loads(eagle("test", "tables", "--format", "json").out)
    assert [row["ok"] for row in told[0]["tables"][0]["rows"]] == [True, False]
    assert told[0]["ok"] is False
    (look,) = told[0]["tables"][0]["rows"][1]["path"]
    assert (look["state"], look["event"]) == ("IDLE.ready", "always")
    assert look["tried"][-1]["read"] == {"may_open": "false"}


def test_a_row_says_what_its_guard_read_and_where_the_chart_went_instead(eagle: Eagle, tmp_path: Path) -> None:
    row = (
        "  - {name: 'filled: all', in: MAKER_OPENING.resting, given: {may_rest: true, opening.filled: 2,"
        " opening.live: true}, when: {order.filled: {leg: opening}}, then: TAKER_HEDGING, sends: [], because: E6}\n"
    )
    (tmp_path / "small.yaml").write_text(TABLE + row)
    lines = [re.sub(r"line \d+", "line N", line).strip() for line in eagle("test", "small.yaml").out.splitlines()]
    assert lines[lines.index("FAIL filled: all (E6)") + 4 :][:8] == [
        "expected MAKER_OPENING.resting -> TAKER_HEDGING, by line N, whose guard is closed here",
        "actual   MAKER_OPENING.resting, order.filled",
        "closed line N [opening.filled > 0 and not opening.live] -> TAKER_HEDGING,"
        " where opening.filled = 2, opening.live = true",
        "taken  line N -> MAKER_OPENING.judging",
        "MAKER_OPENING.judging, always",
        "taken  line N [opening.live] -> MAKER_OPENING.asking, where opening.live = true",
        "sends    ask(leg=opening)",
        "",
    ]
    drawn = eagle("test", "small.yaml", "--mermaid")
    assert drawn.code == 1
    assert drawn.out.splitlines()[1].endswith(': filled: all"')
    assert drawn.out.endswith("    class TAKER_HEDGING now\n")
    filed = eagle("test", "small.yaml", "--svg", "failed.svg")
    assert (filed.code, filed.out) == (1, eagle("test", "small.yaml").out)
    assert (tmp_path / "failed.svg").read_text(encoding="utf-8").startswith("<svg ")


def test_nothing_is_drawn_where_nothing_failed(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(TABLE)
    said = eagle("test", "small.yaml", "--mermaid")
    assert (said.code, said.out) == (0, "")
    assert said.err.endswith("nothing failed: there is nothing to draw\n")


def test_a_table_that_cannot_be_run_is_told(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(TABLE.replace("may_open", "may_fly"))
    said = eagle("test", "small.yaml")
    assert (said.code, said.out) == (1, "")
    assert "small.yaml:5:30: error N308: " in said.err
    assert eagle("test") == Said(2, "", "eagle: tests/tables: no such file or folder; name the tables to run\n")


# --- journals


@pytest.mark.parametrize("command", ["audit", "replay"])
def test_a_journal_that_is_none_is_one_line(eagle: Eagle, tmp_path: Path, command: str) -> None:
    (tmp_path / "words").write_text("not a database")
    assert eagle(command, "gone") == Said(2, "", "eagle: gone: there is no such journal\n")
    assert eagle(command, "words") == Said(
        5, "", "eagle: words: is not an SQLite file; name another path for the journal\n"
    )


def test_an_audit_as_json_and_csv(eagle: Eagle) -> None:
    assert eagle("run", "--flow", FLOW, "--speed", "max", "--rounds", 1, "--journal", "j.sqlite").code == 0
    told = json.loads(eagle("audit", "j.sqlite", "--format", "json").out)
    assert (told["holds"], told["rounds"], told["findings"]) == (True, 1, [])
    lines = eagle("audit", "j.sqlite", "--format", "csv").out.splitlines()
    assert lines[0] == "account,symbol,baseline,fills,venue"
    assert len(lines) == 5
    missing = eagle("audit", "j.sqlite", "--run", 9)
    assert missing.code == 2
    assert missing.err == "eagle: j.sqlite: the journal holds no run 9, only 1 to 1\n"


def test_commands_are_what_the_help_lists() -> None:
    assert isinstance(commands, click.Group)
    trading = {"init", "doctor", "vault", "run", "hedger", "guard", "recover", "flatten"}
    trading |= {"status", "stop", "pause", "resume", "alert"}
    writing, looking = (
        {"validate", "prove", "test", "diagram", "verbs", "schema"},
        {"report", "audit", "replay", "trace", "why"},
    )
    assert set(NAMES) == trading | writing | {"simulate", "venue"} | looking
