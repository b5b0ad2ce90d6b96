"""Serves the metrics over HTTP on the run's own loop, to this machine only: GET /metrics, nothing else."""

from __future__ import annotations

import logging
import os

from aiohttp import web

from engine.errors import EngineError
from engine.runtime.metrics import CONTENT_TYPE, Metrics

MOST_AT_ONCE = 4  # scrapes; who asks faster than it is answered gets a 503


class CannotListen(EngineError):
    """The address of `--metrics-listen` cannot be used."""

    exit_code = 2


class MetricsServer:
    """Answers scrapes between the steps of the run; a metric at a time, so that a fill does not wait for a page."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._at_once = 0
        self._hosts: frozenset[str] = frozenset()
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> str:
        """Listen; returns the page's address. Raises: CannotListen."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, logger=_silent(), handle_signals=False, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            why = os.strerror(error.errno or 0)  # asyncio's own words are longer
            raise CannotListen(
                f"--metrics-listen: {host}:{port} cannot be used ({why}); choose another port"
            ) from error
        port = self._runner.addresses[0][1]
        shown = f"[{host}]" if ":" in host else host
        self._hosts = frozenset(f"{name}:{port}" for name in (shown, "localhost", "127.0.0.1", "[::1]"))
        return f"http://{shown}:{port}/metrics"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        """A page of another site must not read it by a name that leads here: the Host header has to be ours."""
        if request.headers.get("Host", "") not in self._hosts:  # `request.host` makes one up where none is
            return _refusal(403, "the Host header must name this machine and port")
        if request.path != "/metrics":
            return _refusal(404, "only /metrics is here")
        if request.method != "GET":
            return _refusal(405, "only GET", Allow="GET")
        if self._at_once >= MOST_AT_ONCE:
            return _refusal(503, "too many at once")
        self._at_once += 1
        try:
            return web.Response(body=await self._metrics.gathered(), headers={"Content-Type": CONTENT_TYPE})
        finally:
            self._at_once -= 1


def _refusal(status: int, text: str, **headers: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers=headers)


def _silent() -> logging.Logger:
    """What strangers send to the port is no news for the screen."""
    logger = logging.Logger("eagle.metrics")
    logger.addHandler(logging.NullHandler())
    return logger
