"""JSON as the venues write it, without spaces. Pure."""

from __future__ import annotations

import json

__all__ = ["compact"]

# One encoder for all: `json.dumps` with separators makes a new one at each call. What venues say has no cycles.
compact = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
