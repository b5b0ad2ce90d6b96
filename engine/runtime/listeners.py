"""Tells what went wrong on a port that others come to from what went wrong on a way to a venue.

The metrics page and the control socket share the run's loop. What a stranger can do to them must not end the run.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any


def of_a_listener(context: Mapping[str, Any]) -> bool:
    """Is this error of the loop about a listening socket, or about a connection that came in on one?"""
    listening = context.get("socket")
    if listening is not None:
        with suppress(OSError, AttributeError):
            return bool(listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    # asyncio's transports know the server that accepted them; there is no public way to ask.
    return getattr(context.get("transport"), "_server", None) is not None
