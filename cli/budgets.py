"""The request budgets of a command's clients, one for each scope that a venue counts by, shared between processes."""

from __future__ import annotations

from typing import Any, TypeVar

from engine.runtime.folders import state_folder
from engine.runtime.request_window import RequestWindow, window_name
from exchanges.budget import Budget

T = TypeVar("T")
WINDOWS = "requests"


class Budgets:
    """`shared`: other processes of this machine send to the same venues; not in virtual time."""

    def __init__(self, *, shared: bool) -> None:
        self._shared = shared
        self._made: dict[str, Budget] = {}
        self._beside: dict[tuple[type, str], Any] = {}

    def at(self, kind: str, scope: str, budget: Budget) -> Budget:
        """The budget of a scope, made once. Raises: WindowUnusable."""
        key = f"{kind} {scope}"
        if key not in self._made:
            if self._shared:
                budget.join(RequestWindow(state_folder() / WINDOWS / window_name(kind, scope)))
            self._made[key] = budget
        return self._made[key]

    def of_next(self) -> Budgets:
        """Those of the process that follows: what this one has sent counts on, as in shared files (virtual time)."""
        following = Budgets(shared=self._shared)
        following._made = self._made
        return following

    def beside(self, scope: str, kind: type[T]) -> T:
        """Something else that the clients of one scope share, made once."""
        made = self._beside.setdefault((kind, scope), kind())
        assert isinstance(made, kind)
        return made
