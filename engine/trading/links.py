"""How far each account's streams are trusted (E17); what is asked many times a step is kept, not computed."""

from __future__ import annotations

from collections.abc import Iterable

from exchanges.types import LinkState

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_LOST, _TRUSTED = LinkState.LOST, LinkState.TRUSTED


class Links:
    """Link states by account; all LOST until the venues say otherwise."""

    __slots__ = ("_states", "all_trusted", "any_trusted")

    def __init__(self, accounts: Iterable[str]) -> None:
        self._states = dict.fromkeys(accounts, _LOST)
        self.all_trusted = False
        self.any_trusted = False

    def __getitem__(self, account: str) -> LinkState:
        return self._states[account]

    def put(self, account: str, state: LinkState) -> LinkState:
        """Note a new state; returns the former one."""
        former = self._states[account]
        self._states[account] = state
        states = self._states.values()
        self.all_trusted = all(each is _TRUSTED for each in states)
        self.any_trusted = _TRUSTED in states
        return former

    def lose_all(self) -> list[str]:
        """Trust nothing any more (S14); returns the accounts that were not lost before."""
        lost = [account for account, state in self._states.items() if state is not _LOST]
        for account in lost:
            self.put(account, _LOST)
        return lost
