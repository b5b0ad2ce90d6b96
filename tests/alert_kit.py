"""Calls, a command that is a Python script, and a chat service on a port of its own that answers what a test says."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from engine.runtime.alert_channels import Call


def call(text: str = "no account takes the hedge of 0.02 ETH-PERP", **facts: str) -> Call:
    return Call(
        code="hedge_stuck", level="person", text=text, advice="Hedge by hand.", facts=facts, held_back=0,
        time="2026-01-31T12:00:00.123Z", run=3, flow="eagle_chicken", market="ETH-PERP",
        program="eagle-flow 0",
    )  # fmt: skip


def python(script: str) -> list[str]:
    """The argv of a small program."""
    return [sys.executable, "-c", script]


class Service:
    """What was posted, and with which HTTP statuses it is answered: the last one for ever."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.got: list[dict[str, Any]] = []
        self.answered = threading.Event()
        self.let_go = threading.Event()  # a service that hangs answers when this is set
        self.let_go.set()
        self.url = ""


@contextmanager
def service(*statuses: int) -> Iterator[Service]:
    it = Service(*statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            it.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            it.let_go.wait(60)
            self.send_response(it.statuses[min(len(it.got), len(it.statuses)) - 1])
            self.end_headers()
            it.answered.set()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    it.url = f"json://user:canary-token-1@127.0.0.1:{server.server_port}/canary-path-1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield it
    finally:
        it.let_go.set()
        server.shutdown()
        thread.join()
        server.server_close()
