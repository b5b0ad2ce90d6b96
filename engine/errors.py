"""What can go wrong in the engine outside a flow, who must act, and the exit code that says so.

EngineError           base; exit 1
  JournalError          something about the journal file
    JournalUnwritable     4: free the disk, mend the path or its permissions; no opening order without a journal
    JournalUnreadable     2: the path names no file that can be read
    JournalCorrupt        5: move the file aside; the venues tell what is open
    JournalForeign        5: an SQLite or other file that is not ours; name another path
    JournalNewer          5: written by a newer program; update, or name another path
    NotInJournal          2: the run has no such round or order; the text names the nearest
  CounterError          something about the file that holds the last run number
    CounterUnwritable     4: as for the journal
    CounterCorrupt        5: write the highest run number ever used into it
    CounterUsedUp         1: every run number that fits into a client order id was used
  LeaseError            something about who owns an account (S21)
    AccountInUse          3: another process trades on it: end that one, or wait for it
    LeaseUnwritable       1: mend the folder of leases; without a lease nothing is traded
  WindowUnusable        1: mend the folder: requests must be counted with those of other processes
  NotFlatBefore         1: an account holds what no run of ours made: say what is to become of it
  VenueLedgerBad        2: what `--venue` names is no ledger of a local venue, or not of this run
  SecretUnreadable      2: what the config refers to is not there, or others may read it
"""

from __future__ import annotations


class EngineError(Exception):
    """Its text is for the user: what, which, found, next step."""

    exit_code = 1


class JournalError(EngineError):
    pass


class JournalUnwritable(JournalError):
    exit_code = 4


class JournalUnreadable(JournalError):
    exit_code = 2


class JournalCorrupt(JournalError):
    exit_code = 5


class JournalForeign(JournalError):
    exit_code = 5


class JournalNewer(JournalError):
    exit_code = 5


class NotInJournal(JournalError):
    exit_code = 2


class WindowUnusable(EngineError):
    pass


class VenueLedgerBad(EngineError):
    exit_code = 2


class CounterError(EngineError):
    pass


class CounterUnwritable(CounterError):
    exit_code = 4


class CounterCorrupt(CounterError):
    exit_code = 5


class CounterUsedUp(CounterError):
    exit_code = 1


class LeaseError(EngineError):
    pass


class AccountInUse(LeaseError):
    exit_code = 3


class LeaseUnwritable(LeaseError):
    exit_code = 1


class NotFlatBefore(EngineError):
    exit_code = 1


class SecretUnreadable(EngineError):
    exit_code = 2
