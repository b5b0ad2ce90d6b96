"""A terminal to run `eagle` on: a pseudo terminal that is read, typed into, resized, or not read at all."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path

PATIENCE_S = 60  # how long a test waits for what must come; only a failing one takes so long
SHELL = ["sh", "-c", '"$@"; read go_on', "sh"]  # stays until it is given a line
EAGLE = [sys.executable, "-c", "from cli.main import main; raise SystemExit(main())"]


class Terminal:
    """One program on a terminal of its own, from a shell if so wished; `said` is all that it has written so far."""

    def __init__(
        self, *words: object, folder: Path, width: int = 120, height: int = 40, stuck: bool = False,
        shell: bool = False, environment: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.said = ""
        self._seen = 0
        self._master, slave = pty.openpty()
        self.resize(width, height)
        if stuck:
            _fill(os.ttyname(slave))
        plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        command = [*(SHELL if shell else []), *EAGLE, *map(str, words)]
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=subprocess.PIPE if stuck else slave, stderr=slave, cwd=folder,
            env={**plain, "TERM": "xterm-256color", **(environment or {})}, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        os.close(self._master)

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def read_until(self, text: str) -> str:
        """What is written up to and with `text`, from where the last such call came to."""
        deadline = time.monotonic() + PATIENCE_S
        while (at := self.said.find(text, self._seen)) < 0:
            assert time.monotonic() < deadline, f"{text!r} did not come; the last was {self.said[-2000:]!r}"
            assert self._read(deadline), f"it ended without {text!r}; the last was {self.said[-2000:]!r}"
        told = self.said[self._seen : at + len(text)]
        self._seen = at + len(text)
        return told

    def read_to_the_end(self) -> str:
        """All that was ever written, once the program has ended."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read(deadline):
            assert time.monotonic() < deadline, f"it does not end; what it said: {self.said[-2000:]!r}"
        self.process.wait(PATIENCE_S)
        return self.said

    def children(self) -> list[int]:
        """Process ids of what the program has started."""
        pid = self.process.pid
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0, deadline - time.monotonic()))
        try:
            data = os.read(self._master, 1 << 16) if ready else b""
        except OSError:  # how Linux says that nobody has the other end open any more
            return False
        self.said += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


def _fill(name: str) -> None:
    """Write to a terminal until it takes no more, as if its user had pressed Ctrl-S long ago."""
    fd = os.open(name, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        while True:
            os.write(fd, b"." * 4096)
    except BlockingIOError:
        pass
    finally:
        os.close(fd)
