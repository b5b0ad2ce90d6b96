"""Makes sure that a process sends nothing any more, before somebody else acts on its accounts (S13).

A process is named by its number and by when it began: numbers come back. It is killed through a handle that cannot come
to mean another one, and counts as gone only when the kernel says so.
"""

from __future__ import annotations

import os
import select
import signal
import socket

from engine.runtime.lease import Holder, started_at

__all__ = ["fence"]

GONE_WITHIN_MS = 5_000


def fence(holder: Holder) -> str:
    """Kill the process of a lease; empty if it is gone for certain, else why nobody may act on its accounts."""
    if holder.host != socket.gethostname():
        return f"process {holder.pid} runs on {holder.host}: only that machine can end it"
    try:
        handle = os.pidfd_open(holder.pid)
    except ProcessLookupError:
        return ""
    except OSError as error:
        return f"process {holder.pid} cannot be reached ({error.strerror})"
    try:
        if started_at(holder.pid) != holder.started:
            return ""  # the number is another's by now
        return _killed(handle, holder.pid)
    finally:
        os.close(handle)


def _killed(handle: int, pid: int) -> str:
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return ""
    except OSError as error:
        return f"process {pid} cannot be killed ({error.strerror}): it belongs to another user"
    over = select.poll()
    over.register(handle, select.POLLIN)
    return "" if over.poll(GONE_WITHIN_MS) else f"process {pid} was killed and is still there: it hangs in the kernel"
