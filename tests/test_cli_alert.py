"""`eagle alert test` calls on every channel and says of each what became of it; a live run calls, others do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from alert_kit import python, service
from cli_kit import FLOW, ROOT, Eagle, Said, eagle

__all__ = ["eagle"]
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # apprise 2.3 on Python 3.11 and 3.12
EXAMPLE = (ROOT / "docs/examples/eagle_paper.yaml").read_text()


def config(**alerts: object) -> str:
    """A config file with these alerts; returns its name."""
    text = EXAMPLE[: EXAMPLE.index("\nalerts:")]
    Path("c.yaml").write_text(f"{text}\nalerts: {json.dumps(alerts)}\n" if alerts else text)
    return "c.yaml"


def try_alerts(eagle: Eagle, *args: object) -> Said:
    return eagle("alert", "test", "--flow", FLOW, "--config", *args)


def test_every_channel_is_tried_and_told(eagle: Eagle, monkeypatch: pytest.MonkeyPatch) -> None:
    with service(200) as chat:
        monkeypatch.setenv("CANARY_URL", chat.url)
        command = python("import sys; open('told', 'w').write(sys.stdin.read())")
        said = try_alerts(eagle, config(command=command, urls={"phone": {"secret": "env:CANARY_URL"}}))
    assert said.code == 0
    lines = [line.rsplit(" (", 1)[0].split(maxsplit=3) for line in said.out.splitlines()]
    assert [line[2:] for line in lines] == [["delivered", "exit code 0"], ["delivered", "accepted"]]
    assert [line[0] for line in lines] == ["command", "URL"]
    told = json.loads(Path("told").read_text())
    assert (told["code"], told["level"], told["market"]) == ("test", "person", "ETH-PERP")
    assert chat.got[0]["title"] == "eagle person: test (run 0, eagle_chicken on ETH-PERP)"
    assert said.err == "calling on 2 channel(s), up to 10 s for an attempt\n"
    assert not Path("state").exists()


def test_one_channel_that_fails_is_exit_code_1(eagle: Eagle, monkeypatch: pytest.MonkeyPatch) -> None:
    with service(500) as chat:
        monkeypatch.setenv("CANARY_URL", chat.url)
        said = try_alerts(
            eagle, config(command=python(""), urls={"phone": {"secret": "env:CANARY_URL"}}), "--format", "json"
        )
    assert said.code == 1
    told = [(it["channel"].split()[0], it["delivered"], it["text"]) for it in json.loads(said.out)]
    assert told == [
        ("command", True, "exit code 0"),
        ("URL", False, "the service answered with HTTP status 500; 4 attempts"),
    ]
    assert len(chat.got) == 4
    assert "canary" not in said.out + said.err


def test_as_csv(eagle: Eagle) -> None:
    said = try_alerts(eagle, config(command=["no-such, program"]), "--format", "csv")
    head, row = said.out.splitlines()
    assert (said.code, head) == (1, "channel,delivered,text,seconds")
    assert row.startswith('"command no-such, program",False,cannot be started: No such file or directory')


@pytest.mark.parametrize(
    ("alerts", "words"),
    [
        ({}, "c.yaml calls nobody; write `command:` or `urls:` under `alerts:`; see `eagle alert test --help`"),
        (
            {"urls": {"phone": {"secret": "env:NO_SUCH_VARIABLE"}}},
            "alerts.urls.phone: there is no environment variable NO_SUCH_VARIABLE; set it, or refer to a file",
        ),
        (
            {"urls": {"phone": {"secret": "file:url"}}},
            "alerts.urls.phone: url cannot be read (No such file or directory); paths are relative to where eagle is"
            " started",
        ),
        (
            {"urls": {"phone": {"secret": "env:CANARY"}}},
            "URL phone: apprise cannot use what the reference holds; see its list of services for the form",
        ),
    ],
)
def test_what_cannot_call_is_one_line_and_exit_code_2(
    eagle: Eagle, monkeypatch: pytest.MonkeyPatch, alerts: dict[str, object], words: str
) -> None:
    """The same words at the start of a live run, before anything is written."""
    monkeypatch.setenv("CANARY", "canary, not a URL")
    assert try_alerts(eagle, config(**alerts)) == Said(2, "", f"eagle: {words}\n")
    if alerts:
        assert eagle("run", "--flow", FLOW, "--config", "c.yaml", "--rounds", 1) == Said(2, "", f"eagle: {words}\n")
        assert not Path("state").exists()


def test_findings_of_the_config_are_told_without_the_secret(eagle: Eagle) -> None:
    said = try_alerts(eagle, config(urls={"phone": "tgram://canary/1"}))
    assert said.code == 1
    assert "error G712: URL phone stands here in plain" in said.err
    assert "canary" not in said.err


def test_in_virtual_time_nobody_is_called(eagle: Eagle) -> None:
    name = config(level="info", command=python("open('called', 'w')"))
    assert eagle("run", "--flow", FLOW, "--config", name, "--speed", "max", "--rounds", 1).code == 0
    assert not Path("called").exists()


def test_a_live_run_calls(eagle: Eagle) -> None:
    name = config(level="info", command=python("import sys; open('told', 'a').write(sys.stdin.read())"))
    eagle("run", "--flow", FLOW, "--config", name, "--speed", "20x", "--rounds", 1)
    told = [json.loads(line) for line in Path("told").read_text().splitlines()]
    assert "round_cost" in {each["code"] for each in told}
    assert {each["run"] for each in told} == {1}
