"""A websocket joined to itself, without a network: what a message takes on its way in and out, done for nobody.

For a run's twin (docs/decisions/0012): streams are the one part of a hedge's way that an adapter cannot exercise.
"""

from __future__ import annotations

from websockets.frames import Frame
from websockets.protocol import Protocol, Side

__all__ = ["Frames"]

READ = b"." * 700  # a fill's message, more or less: what is in it is not looked at here
WRITTEN = b"." * 200  # and an order's


class Frames:
    """Both ends of a stream; `exercise` frames a message each way, as the library does for `exchanges/sockets.py`."""

    def __init__(self) -> None:
        self._ours = Protocol(Side.CLIENT)
        self._theirs = Protocol(Side.SERVER)

    def exercise(self) -> tuple[int, int]:
        """One message read and one written, and both forgotten; their lengths, for a test. Bounded: nothing is kept."""
        return _carried(self._theirs, self._ours, READ), _carried(self._ours, self._theirs, WRITTEN)


def _carried(sender: Protocol, reader: Protocol, text: bytes) -> int:
    sender.send_text(text)
    for data in sender.data_to_send():
        reader.receive_data(data)
    (frame,) = reader.events_received()
    assert isinstance(frame, Frame)
    return len(frame.data)
