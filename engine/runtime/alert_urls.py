"""Alerts to chats, mail and phones through apprise, which is an extra: `pip install 'eagle-flow[notify]'`.

A URL is a secret: no name, outcome or log repeats any of it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import Any

from engine.errors import EngineError
from engine.runtime.alert_channels import Call, Outcome
from engine.runtime.secrets import Secret

WAITS_S = (2.0, 10.0, 30.0)  # before the second attempt, the third, the fourth
MOST_HANGING = 3  # attempts that outlived their time and cannot be stopped; more are not begun
_HTTP_ERROR = re.compile(r"error=(\d{3})\b")


class UrlUnusable(EngineError):
    """A URL that apprise cannot use, or no apprise."""

    exit_code = 2


class UrlChannel:
    """One apprise URL under the name that the config gives it."""

    def __init__(self, name: str, url: Secret, *, timeout_s: float, waits_s: Sequence[float] = WAITS_S) -> None:
        """Raises: UrlUnusable."""
        self.name = f"URL {name}"
        self._timeout_s = timeout_s
        self._waits_s = tuple(waits_s)
        self._hanging: list[threading.Thread] = []
        self._service = _service(self.name, url, timeout_s)

    def deliver(self, call: Call, *, hurry: threading.Event) -> Outcome:
        """Up to four attempts with growing pauses: a chat service that is busy takes the message a little later."""
        attempts = 0
        for wait_s in (0.0, *self._waits_s):
            if wait_s:
                hurry.wait(wait_s)
            attempts += 1
            why = self._attempt(call)
            if not why:
                return Outcome(True, "accepted" if attempts == 1 else f"accepted at attempt {attempts}")
        return Outcome(False, f"{why}; {attempts} attempt{'s' if attempts > 1 else ''}")

    def _attempt(self, call: Call) -> str:
        """Why it failed, or nothing. A thread cannot be stopped: one that hangs is left behind and counted."""
        self._hanging = [thread for thread in self._hanging if thread.is_alive()]
        if len(self._hanging) >= MOST_HANGING:
            return f"{MOST_HANGING} former attempts still hang"
        said: list[str] = []
        thread = threading.Thread(
            target=lambda: said.append(_notify(self._service, call)), name="eagle-alert-url", daemon=True
        )
        thread.start()
        thread.join(self._timeout_s)
        if said:
            return said[0]
        self._hanging.append(thread)
        return f"no answer within {self._timeout_s:g} s"


def _service(name: str, url: Secret, timeout_s: float) -> Any:
    try:
        import apprise
    except ImportError as error:
        raise UrlUnusable(f"{name}: alerts to URLs need apprise; run: pip install 'eagle-flow[notify]'") from error
    asset = apprise.AppriseAsset(app_id="eagle-flow", app_desc="eagle-flow", app_url="")
    plugin = apprise.Apprise.instantiate(url.reveal(), asset=asset, suppress_exceptions=True)
    if plugin is None:
        raise UrlUnusable(f"{name}: apprise cannot use what the reference holds; see its list of services for the form")
    plugin.socket_connect_timeout = plugin.socket_read_timeout = timeout_s
    service = apprise.Apprise(asset=asset)
    service.add(plugin)
    return service


def _notify(service: Any, call: Call) -> str:
    """Send; returns why it failed, or nothing. Apprise's own words may hold parts of the URL and are not repeated."""
    try:
        result = service.notify(title=call.title, body=call.body, notify_type=_kind(call.level))
    except Exception as error:  # noqa: BLE001 top of a thread: a plugin's fault is an outcome, not ours
        return f"failed: {type(error).__name__}"
    if result:
        return ""
    told = " ".join(entry.message for entry in result.logs())
    if found := _HTTP_ERROR.search(told):
        return f"the service answered with HTTP status {found[1]}"
    return "no connection to the service" if "onnection" in told else "the service did not accept it"


def _kind(level: str) -> Any:
    from apprise import NotifyType

    return {"info": NotifyType.INFO, "warning": NotifyType.WARNING}.get(level, NotifyType.FAILURE)
