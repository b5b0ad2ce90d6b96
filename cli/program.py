"""Which program this is, as journals and calls name it."""

from __future__ import annotations

from functools import cache
from importlib import metadata

__all__ = ["program"]


@cache
def program() -> str:
    """Name and version: read once, because the folders of all packages are searched for it."""
    return f"eagle-flow {metadata.version('eagle-flow')}"
