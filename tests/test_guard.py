"""What `eagle guard` does when a run hangs or died: fence first, act only then, call a person either way (S13)."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from config_kit import FLOW as FLOW_OF_CONFIG
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cli import guard, setups
from cli.client_wiring import Unasked
from cli.guarded import Guarded, Recovered
from cli.leftovers import lease_paths, with_guard_keys
from cli.locate import CannotUse
from engine.chart.model import FlowError
from engine.errors import AccountInUse, EngineError
from engine.runtime.config import load_config
from engine.runtime.credentials import Reference
from engine.runtime.hedger_json import JsonOptions
from engine.runtime.lease import started_at
from engine.runtime.secrets import Secret
from engine.trading.effects import Alert, Level
from exchanges.errors import LinkDown


class Fenced:
    """A guarded run whose process can be fenced, or not, and whose recovery ends so."""

    def __init__(self, why: str = "", *recovered: Recovered) -> None:
        self.did: list[str] = []
        self.calls: list[tuple[str, Level]] = []
        self._why = why
        self._recovered = iter(recovered or (Recovered(0, "closed"),))

    def fence(self) -> str:
        self.did.append("fence")
        return self._why

    def recover(self) -> Recovered:
        self.did.append("recover")
        return next(self._recovered)

    def wait(self, seconds: int) -> None:
        self.did.append(f"wait {seconds}")

    def call(self, alert: Alert) -> None:
        self.calls.append((alert.code, alert.level))


@pytest.mark.parametrize(
    ("fenced", "code", "did", "call"),
    [
        (Fenced("it runs elsewhere"), 1, ["fence"], ("guard_cannot_fence", Level.PERSON)),
        (Fenced(), 0, ["fence", "recover"], ("guard_took_over", Level.WARNING)),
        (Fenced("", Recovered(1, "no")), 1, ["fence", "recover"], ("guard_failed", Level.PERSON)),
        (Fenced("", Recovered(4, "no")), 4, ["fence", "recover"], ("guard_failed", Level.PERSON)),
    ],
)
def test_it_acts_on_the_accounts_only_when_no_other_process_can(
    fenced: Fenced, code: int, did: list[str], call: tuple[str, Level]
) -> None:
    assert (guard._finish(fenced), fenced.did, fenced.calls) == (code, did, [call])  # type: ignore[arg-type]


def test_it_goes_on_trying_while_a_venue_does_not_answer() -> None:
    """A venue in maintenance as the run died: the guard gave up, and what was left stood open until a person came."""
    fenced = Fenced("", *[Recovered(1, "HTTP 503", passing=True)] * 11, Recovered(0, "closed"))
    assert guard._finish(fenced) == 0  # type: ignore[arg-type]
    assert fenced.calls == [*[("guard_failed", Level.PERSON)] * 2, ("guard_took_over", Level.WARNING)]
    waits = [it for it in fenced.did if it.startswith("wait")]
    assert waits == [f"wait {seconds}" for seconds in (2, 4, 8, 16, 32, *[60] * 6)]


def in_use(path: Path, text: str) -> Callable[[], None]:
    """A lease that another open file keeps; returns what gives it back."""
    file = path.open("w")
    file.write(text)
    file.flush()
    fcntl.flock(file, fcntl.LOCK_EX)
    return file.close


def of(leases: dict[str, Path], **more: Any) -> Any:
    """As much of `Guarded` as its methods look at."""
    plain = {"_leases": leases, "journal": Path("j.sqlite"), "_flow": FLOW}
    return SimpleNamespace(**plain, _resolve=None, _source=None, _json_options=None, **more)


def left(lease: Path, runs: list[int], codes: dict[int, int]) -> int:
    """What a guard finds: runs that left something, and the exit codes of those that came to their end."""
    guarded = of({"hawk": lease}, _left=lambda: [SimpleNamespace(run=run) for run in runs], exit_code=codes.get)
    guarded.in_use = lambda: Guarded.in_use(guarded)
    return Guarded.left(guarded)


FLOW = SimpleNamespace(sections={"hedging": SimpleNamespace(value=None)})


def test_a_lease_that_does_not_say_whose_it_is_fences_nobody(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    give_back = in_use(path, "{")
    assert Guarded.fence(of({"hawk": path})) == "hawk is in use and its lease does not say by whom"
    give_back()
    assert Guarded.fence(of({"hawk": path})) == ""


def test_every_account_is_fenced_and_one_that_cannot_be_is_enough_to_keep_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fenced: list[int] = []

    def fence(holder: Any) -> str:
        fenced.append(holder.pid)
        return "no" if holder.pid == 2 else ""

    monkeypatch.setattr("cli.guarded.fence", fence)
    told = '{"account": "x", "pid": %d, "started": "1", "host": "h", "journal": "j"}'
    leases = {name: tmp_path / name for name in ("hawk", "chick", "hen")}
    backs = [in_use(path, told % pid) for pid, path in enumerate(leases.values(), start=1)]
    assert (Guarded.fence(of(leases)), fenced) == ("no", [1, 2])
    for back in backs:
        back()


def test_what_is_left_open_is_taken_over_only_where_nobody_owns_an_account(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    give_back = in_use(path, "{}")
    assert left(path, [7], {}) == 0
    give_back()
    assert left(path, [7], {}) == 7
    assert left(path, [], {}) == 0


def test_what_a_run_left_that_ended_flat_is_dust(tmp_path: Path) -> None:
    """A guard took over dust, found it flat within dust, and took it over again."""
    assert left(tmp_path / "none.lock", [7], {7: 0}) == 0
    assert left(tmp_path / "none.lock", [8, 7], {8: 0, 7: 1}) == 7
    assert left(tmp_path / "none.lock", [7], {7: 130}) == 7


def test_a_process_owns_the_accounts_only_while_it_holds_a_lease_of_theirs(tmp_path: Path) -> None:
    """A number that came back is another process; a lease that is free is nobody's, whatever stands in it."""
    pid, path = os.getpid(), tmp_path / "a.lock"
    told = json.dumps({"account": "x", "pid": pid, "started": started_at(pid), "host": "h", "journal": "j"})
    guarded = of({"hawk": path, "chick": tmp_path / "none.lock"})
    give_back = in_use(path, told)
    assert Guarded.owns(guarded, pid)
    assert not Guarded.owns(guarded, pid + 1)
    give_back()
    assert not Guarded.owns(guarded, pid)
    give_back = in_use(path, told.replace(started_at(pid), "1"))
    assert not Guarded.owns(guarded, pid)
    give_back()


def test_a_process_that_trades_the_accounts_with_another_journal_is_not_seen(tmp_path: Path) -> None:
    pid, path, other = os.getpid(), tmp_path / "a.lock", tmp_path / "the other.sqlite"
    told = {"account": "x", "pid": pid, "started": started_at(pid), "host": "h", "journal": str(other)}
    leases = {"hawk": path, "chick": tmp_path / "none.lock"}
    give_back = in_use(path, json.dumps(told))
    assert Guarded.unseen(of(leases)) == (
        f"hawk is traded by process {pid} with the journal {other}, and this guard watches j.sqlite: guard it with"
        f" --journal '{other}'"
    )
    same = SimpleNamespace(_leases=leases, journal=other)
    assert Guarded.unseen(same) == ""  # type: ignore[arg-type]
    give_back()
    assert Guarded.unseen(of(leases)) == ""


@pytest.mark.parametrize(
    ("error", "code", "passing"),
    [
        (AccountInUse("taken"), 0, False),
        (EngineError("no"), 1, False),
        (LinkDown("no"), 1, True),
        (Unasked("no"), 1, True),
        (CannotUse("no"), 1, False),
        (FlowError([]), 1, False),
    ],
)
def test_a_takeover_that_fails_is_no_crash_and_one_that_came_first_no_failure(
    error: Exception, code: int, passing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(setups, "setup_of", fail)
    monkeypatch.setattr("cli.guarded.words_of", lambda _: [])
    done = Guarded.recover(of({}, _left=lambda: [object()]))
    assert (done.code, done.passing) == (code, passing)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "what the run left is closed, the venues confirm flat within dust"),
        (1, "its last line says what is open, or that no venue confirmed that nothing is"),
    ],
)
def test_a_takeover_that_is_not_confirmed_is_not_called_closed(
    code: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setups, "setup_of", lambda *_: None)
    monkeypatch.setattr("cli.run.told_run", lambda *_, **__: code)
    monkeypatch.setattr("cli.guarded.words_of", lambda _: [])
    assert Guarded.recover(of({}, _left=lambda: [object()])) == Recovered(code, text, passing=code == 1)


def test_nothing_is_sent_where_nothing_was_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setups, "setup_of", lambda *_: pytest.fail("nothing is to be done"))
    assert Guarded.recover(of({}, _left=list)) == Recovered(0, "the run had left nothing open")


TEXT = """
version: 1
market: ETH-PERP
markets: {ETH-PERP: {backpack: ETH_USDC_PERP}}
venues: {backpack: {kind: backpack}}
accounts:
  - name: hawk
    venue: backpack
    owner: me
    credentials: {api_key: {secret: "env:RUN_KEY"}, api_secret: {secret: "env:RUN_SECRET"}}
    guard_credentials: {api_key: {secret: "env:GUARD_KEY"}, api_secret: {secret: "env:GUARD_SECRET"}}
  - name: chick
    venue: backpack
    owner: you
    credentials: {api_key: {secret: "env:CHICK_KEY"}, api_secret: {secret: "env:CHICK_SECRET"}}
use: {maker: hawk, takers: [chick]}
settings: {quantity: 0.02}
"""
CONFIG = load_config(TEXT, file="eagle.yaml", flow=FLOW_OF_CONFIG)


def test_it_trades_with_keys_of_its_own_and_holds_the_leases_of_the_run() -> None:
    """S21: a lease is named by the run's key; by the guard's own it would be another account's."""
    guards = with_guard_keys(CONFIG)
    keys = {it.name: it.credentials["api_key"].name for it in guards.used_accounts}
    assert keys == {"hawk": "GUARD_KEY", "chick": "CHICK_KEY"}

    def resolve(reference: Reference, *, what: str) -> Secret:
        del what
        return Secret(reference.name)

    assert lease_paths(guards, resolve) == lease_paths(CONFIG, resolve)
    assert len(set(lease_paths(CONFIG, resolve).values())) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ('api_secret: {secret: "env:GUARD_SECRET"}', "account hawk needs the credential api_secret"),
        ("", "api_key of hawk is not the public key of its api_secret"),
    ],
)
def test_keys_of_its_own_that_make_no_client_are_told_at_its_start(
    change: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it learns of it when it has killed a run that hung, and what that left stands open."""
    for name in ("RUN", "GUARD", "CHICK"):
        key = Ed25519PrivateKey.generate()
        monkeypatch.setenv(f"{name}_SECRET", b64encode(key.private_bytes_raw()).decode())
        monkeypatch.setenv(f"{name}_KEY", b64encode(key.public_key().public_bytes_raw()).decode())
    (tmp_path / "eagle.yaml").write_text(TEXT)
    given = (str(tmp_path / "eagle.yaml"), tmp_path / "j.sqlite", 5, "", None, JsonOptions())
    assert Guarded(*given).journal == tmp_path / "j.sqlite"
    monkeypatch.setenv("GUARD_KEY", os.environ["RUN_KEY"])
    (tmp_path / "eagle.yaml").write_text(TEXT.replace(f", {change}", "") if change else TEXT)
    with pytest.raises(CannotUse, match=words):
        Guarded(*given)


def test_what_is_open_does_not_wait_for_a_channel_that_hangs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The guard called first and fenced then: a channel that hung kept a dead run's position open for ten seconds."""
    answered, tried = threading.Event(), list[str]()

    class Hanging:
        name = "command hung"

        def deliver(self, *_: object, **__: object) -> SimpleNamespace:
            answered.wait(10)
            tried.append("hung")
            return SimpleNamespace(delivered=False, text="no answer")

    monkeypatch.setattr("cli.alert.call_for", lambda *_, **__: None)
    calls = ThreadPoolExecutor(1)
    config = SimpleNamespace(alerts=SimpleNamespace(timeout_ns=0))
    guarded = SimpleNamespace(_channels=(Hanging(),), _config=config, _calls=calls, _flow=SimpleNamespace(name="f"))
    guarded._call = lambda alert: Guarded._call(guarded, alert)  # type: ignore[arg-type]
    Guarded.call(guarded, Alert(Level.PERSON, "guard_silent", "run 3", {}))  # type: ignore[arg-type]
    assert tried == []  # and it is back
    answered.set()
    calls.shutdown(wait=True)
    said = capsys.readouterr().err
    assert "guard_silent: run 3" in said
    assert "guard_silent was not delivered by command hung: no answer" in said
