"""`eagle validate`: what each file is, all its findings, and the exit code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli_kit import FLOW, ROOT, Eagle, Said, eagle
from test_hedger_json import STREAM, TOKEN

__all__ = ["eagle"]

EXAMPLE = ROOT / "docs" / "examples" / "eagle_paper.yaml"
TABLE = """\
table: small
flow: eagle_chicken
settings: {quantity: 1}
rows:
  - {in: IDLE.ready, given: {may_open: false}, when: always, then: stay, sends: [], because: E5}
"""


def test_shipped_flow_and_examples_are_sound(eagle: Eagle) -> None:
    examples = sorted((ROOT / "docs" / "examples").glob("*.yaml"))
    said = eagle("validate", FLOW, *examples)
    kinds = ", ".join([f"{FLOW} (flow)", *(f"{path} (config)" for path in examples)])
    told, *notes = said.out.splitlines()
    assert (said.code, told, said.err) == (0, f"{kinds}: 0 errors, 0 warnings", "")
    costs = [line for line in notes if "expected cost" in line]
    assert [line.partition(": expected cost: 0.0728 ")[0] for line in costs] == [  # S10, where no venue must be asked
        str(path) for path in examples if path.stem.startswith("eagle_") and not path.stem.startswith("eagle_backpack_")
    ]
    assert [line for line in notes if line not in costs] == [
        f"{flow}.yaml: directional, not hedged" for flow in ("take_profit", "twap")
    ]


def test_a_shipped_flow_is_found_by_name(eagle: Eagle) -> None:
    said = eagle("validate", "eagle_chicken")
    assert said.code == 0
    assert said.out == "eagle_chicken.yaml (flow): 0 errors, 0 warnings\n"
    assert said.err == ""
    assert eagle("validate", "my/eagle_chicken.yaml").err == (
        "my/eagle_chicken.yaml is not here: using the shipped flow eagle_chicken.yaml\n"
    )


def test_a_fault_is_told_with_its_place_and_line(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(EXAMPLE.read_text().replace("quantity: 0.02 ", "quantity: 0.00001 "))
    said = eagle("validate", "c.yaml")
    assert (said.code, said.err) == (1, "")
    assert "error G720: quantity 0.00001 is under the minimum 0.0001 of ETHUSDT on paper-a\n" in said.out
    assert said.out.endswith("c.yaml (config): 2 errors, 0 warnings\n")


def test_all_findings_of_all_files_are_told_as_json(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(EXAMPLE.read_text().replace("takers: [chick-1,", "takers: [hawk,"))
    (tmp_path / "two.yaml").write_text(TABLE.replace("may_open", "may_close_up"))
    (tmp_path / "three.yaml").write_text("just: words\n")
    (tmp_path / "four.yaml").write_text("a: [1\n")
    said = eagle("validate", "one.yaml", "two.yaml", "three.yaml", "four.yaml", FLOW, "--format", "json")
    assert (said.code, said.err) == (1, "")
    found = [(it["file"], it["code"], it["severity"]) for it in json.loads(said.out)]
    assert sorted(found) == [
        ("four.yaml", "Y105", "error"),
        ("one.yaml", "G710", "error"),
        ("three.yaml", "F202", "error"),
        ("two.yaml", "N308", "error"),
    ]


def test_a_table_is_checked_against_the_flow_that_it_names(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(TABLE)
    said = eagle("validate", "small.yaml", FLOW)
    assert (said.code, said.out) == (0, f"small.yaml (table), {FLOW} (flow): 0 errors, 0 warnings\n")


def test_warnings_alone_are_no_errors(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "eagle_chicken.yaml").write_text(
        Path(FLOW).read_text().replace("when: settled, to: HOLDING", "when: settled or true, to: HOLDING")
    )
    said = eagle("validate", "eagle_chicken.yaml")
    assert said.code == 0
    assert said.out.endswith("0 errors, 2 warnings\n")


@pytest.mark.parametrize(
    ("name", "content"), [("missing.yaml", None), ("folder.yaml", "a folder")], ids=["missing", "folder"]
)
def test_a_path_that_is_no_file_is_one_line(eagle: Eagle, tmp_path: Path, name: str, content: str | None) -> None:
    if content is not None:
        (tmp_path / name).mkdir()
    said = eagle("validate", name)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert said.err.startswith(f"eagle: {name}: ")


def test_what_is_not_utf8_is_a_finding(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"flow: \xff\n")
    said = eagle("validate", "x.yaml")
    assert said.code == 1
    assert "x.yaml:1:7: error Y101: byte 0xff is not UTF-8 text" in said.out
    assert said.err == ""


def test_a_recording_that_is_not_there_is_told_at_its_line(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(EXAMPLE.read_text().replace("market: synthetic", "market: no/x_ethusdt"))
    said = eagle("validate", "c.yaml", FLOW)
    assert (said.code, said.err) == (1, "")
    line = next(
        number for number, text in enumerate(EXAMPLE.read_text().splitlines(), 1) if "market: synthetic" in text
    )
    assert said.out.startswith(
        f"c.yaml:{line}:13: error G724: venue paper-a cannot replay no/x_ethusdt_bbo.csv.gz: no such file\n"
    )
    assert "  hint: give the part before _bbo.csv.gz as the prefix\n" in said.out
    text = re.sub(r"kind: paper\b(.*)\n", r"kind: paper\1\n    market: no/x_ethusdt\n", EXAMPLE.read_text())
    (tmp_path / "c.yaml").write_text(text.replace("    market: synthetic", "    # market: synthetic"))
    ran = eagle("run", "--config", "c.yaml", "--journal", "off")
    assert (ran.code, ran.out) == (1, "")
    assert "error G724: venue paper-a cannot replay no/x_ethusdt_bbo.csv.gz: no such file" in ran.err


def test_a_secret_in_a_config_is_not_repeated(eagle: Eagle) -> None:
    said = eagle("validate", ROOT / "tests" / "broken_configs" / "credentials_plain.yaml")
    assert said.code == 1
    assert "G712" in said.out
    assert "a-real-secret" not in said.out + said.err


def test_a_config_is_checked_against_the_flow_that_it_names(eagle: Eagle, tmp_path: Path) -> None:
    """Also when another flow is among the files: `eagle run --config` would take the named one."""
    (tmp_path / "other.yaml").write_text(Path(FLOW).read_text().replace("flow: eagle_chicken", "flow: other"))
    (tmp_path / "c.yaml").write_text(EXAMPLE.read_text().replace("flow: eagle_chicken", "flow: sparrow"))
    said = eagle("validate", "c.yaml", "other.yaml")
    shipped = "eagle_chicken.yaml, hedger.yaml, take_profit.yaml, twap.yaml"
    assert said == Said(2, "", f"eagle: sparrow: no such file, and no shipped flow of that name; shipped: {shipped}\n")
    assert eagle("validate", "c.yaml", "--flow", "other.yaml").code == 0


def test_the_users_json_is_a_config_of_the_hedger(eagle: Eagle, tmp_path: Path) -> None:
    path = tmp_path / "hedger.json"
    path.write_text(json.dumps({"token_parameter": TOKEN, "private_ws_client": {**STREAM, "Secret": "plain"}}))
    hosts = ["--rest-url", "http://api.example", "--public-url", "https://public.example"]
    said = eagle("validate", path, *hosts)
    assert (said.code, "G712: private_ws_client: Secret stands here in plain" in said.err + said.out) == (1, True)
    assert "plain" not in said.out.replace("in plain", "").replace("--plain-keys", "")
    said = eagle("validate", path, *hosts, "--plain-keys")
    assert (said.code, said.out) == (0, f"{path} (config): 0 errors, 0 warnings\n")


def test_a_config_that_names_its_flow_is_no_flow(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("flow: eagle_chicken\nversion: 1\nvenues: {}\n")
    assert "c.yaml (config): " in eagle("validate", "c.yaml").out
    (tmp_path / "f.yaml").write_text("flow: f\nversion: 1\naccounts: {maker: {pick: one}}\n")
    assert "f.yaml (flow): " in eagle("validate", "f.yaml").out
