"""`make sigkills`: real processes of `eagle run` on local venues over sockets, killed with SIGKILL (some stopped with
SIGSTOP under a guard) at random moments, and what `eagle recover`, `flatten`, `run` or `guard` makes of it.

    python tests/sigkill_campaign.py KILLS SEED

Before some of the deaths the disk is full for a moment: what was ordered then no journal tells (Linux alone).
After each, the run that took over must end flat with exit code 0, `eagle audit` must hold, and `eagle audit --venue`
must find the venue's own ledger equal. Exit code 1 if one was not made good.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

EAGLE = Path(sys.executable).with_name("eagle")
HOWS = ("recover", "run", "flatten", "guard")
NOTHING = ": 0 rounds, 0 intents, 0 sends, 0 fills"  # as `eagle audit` begins
SHORTEST_S, LONGEST_S = 2.0, 12.0  # of a life; reading the program takes the first of them
FULL_FROM, FULL_EACH = 4, 8  # every second time, and never under a guard, the disk is full …
FULL_S = (0.1, 1.5)  # … for so long before the death


class Campaign:
    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._chance = random.Random(seed)
        self._env = {**os.environ, "XDG_STATE_HOME": str(folder / "state-home")}

    def _eagle(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [EAGLE, *words], cwd=self._folder, env=self._env, capture_output=True, text=True, timeout=180, check=False
        )

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [EAGLE, *words], cwd=self._folder, env=self._env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if words[0] == "guard" else subprocess.DEVNULL,
        )  # fmt: skip

    def serve(self) -> tuple[subprocess.Popen[bytes], str]:
        """A local venue; its config goes to local.yaml. Returns the process and its address."""
        with (self._folder / "local.yaml").open("wb") as out:
            process = subprocess.Popen(
                [EAGLE, "venue", "serve", "backpack", "--port", "0"], cwd=self._folder, env=self._env, stdout=out,
                stderr=subprocess.PIPE,
            )  # fmt: skip
        assert process.stderr is not None
        process.stderr.readline()  # it serves
        config = (self._folder / "local.yaml").read_text()
        return process, config.split("url: ")[1].split(",")[0]

    def _end_of(self, guard: subprocess.Popen[bytes]) -> int:
        guard.communicate(timeout=180)  # what it tells must be read, or it would wait for us
        return guard.returncode

    def _fill_disk(self, life: subprocess.Popen[bytes]) -> bool:
        """No file of the process may grow any more; False where that cannot be done, or it has not begun to write."""
        log = self._folder / "j.sqlite-wal"
        until = time.monotonic() + LONGEST_S  # a busy machine takes its time to start one
        while not log.exists() and time.monotonic() < until and life.poll() is None:
            time.sleep(0.1)
        if not hasattr(resource, "prlimit") or not log.exists() or life.poll() is not None:
            return False
        resource.prlimit(life.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, resource.RLIM_INFINITY))
        return True

    def kill(self, number: int, url: str) -> tuple[bool, str]:
        """One life, its death, and what takes over; whether that was made good, and a line about it."""
        how = HOWS[number % len(HOWS)]
        which = ("--config", "local.yaml", "--journal", "j.sqlite")
        guard = self._start("guard", *which, "--silence", "2s", "--once") if how == "guard" else None
        life = self._start("run", "--live", *which, "--rounds", "50", "--view", "plain")
        if guard is not None:
            _until_it_watches(guard)  # a run that is stopped before it can be seen has sent nothing, and is not missed
        lived_s = self._chance.uniform(SHORTEST_S, LONGEST_S)
        time.sleep(lived_s)
        full = number % FULL_EACH >= FULL_FROM and guard is None and self._fill_disk(life)
        if full:
            time.sleep(self._chance.uniform(*FULL_S))
        life.send_signal(signal.SIGSTOP if guard is not None else signal.SIGKILL)
        began = time.monotonic()
        if guard is not None:
            code = self._end_of(guard)
            life.kill()
        elif how == "run":
            code = self._eagle("run", "--live", *which, "--rounds", "1").returncode
        else:
            code = self._eagle(how, *which, "--yes").returncode
        took_s = time.monotonic() - began
        life.wait()
        if not (self._folder / "j.sqlite").exists():
            return code == 0, f"{number + 1}: killed after {lived_s:.1f} s, before it had begun: {how} exit {code}"
        audit = self._eagle("audit", "j.sqlite")
        venue = self._eagle("audit", "j.sqlite", "--venue", url)
        good = (code, audit.returncode, venue.returncode) == (0, 0, 0)
        if NOTHING in audit.stdout and "no_baseline" in audit.stdout and ": equal" in venue.stdout:
            good = code == 0  # it died before it had read its accounts, and had sent nothing: there is nothing to audit
        line = f"{number + 1}: {how} after {lived_s:.1f} s{', its disk full' * full}: exit {code} within {took_s:.1f} s"
        return good, line if good else "\n".join([line, audit.stdout, audit.stderr, venue.stdout, venue.stderr])


def _until_it_watches(guard: subprocess.Popen[bytes]) -> None:
    assert guard.stderr is not None
    while b"watching run" not in guard.stderr.readline():
        assert guard.poll() is None, "the guard ended before it saw a run"


def kill_all(kills: int, seed: int) -> list[tuple[bool, str]]:
    """One life after another on one venue; of each whether its death was made good, and a line, printed as it comes."""
    told = []
    with TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder), seed)
        venue, url = campaign.serve()
        try:
            for number in range(kills):
                told.append(campaign.kill(number, url))
                print(told[-1][1], flush=True)
        finally:
            venue.terminate()
            venue.wait()
    return told


def main(kills: int, seed: int) -> int:
    good = [good for good, _ in kill_all(kills, seed)]
    print(f"{len(good)} kills, {good.count(False)} not made good")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:3])))
