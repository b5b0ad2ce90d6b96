"""Every alert that the program raises: at which level, when, and what a person should do. The one place that knows.

`docs/alerts.md` is made from this table. A test reads the sources: a code that is raised stands here with its level.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from engine.trading.effects import Level


class Raiser(Enum):
    """Where an alert comes from: a step of the desk, or the process around it, which has no step to name."""

    DESK = "desk"
    PROCESS = "process"


class AlertCode(NamedTuple):
    level: Level
    raiser: Raiser
    when: str
    advice: str


def _desk(level: Level, when: str, advice: str) -> AlertCode:
    return AlertCode(level, Raiser.DESK, when, advice)


def _process(level: Level, when: str, advice: str) -> AlertCode:
    return AlertCode(level, Raiser.PROCESS, when, advice)


ALERT_CODES: Mapping[str, AlertCode] = {
    "guard_silent": _process(
        Level.PERSON,
        "`eagle guard` saw a run hang or die: it shows nothing, or went without an end",
        "Nothing yet: the guard takes over and tells how that went. Find out why the run hung before the next one.",
    ),
    "guard_cannot_fence": _process(
        Level.PERSON,
        "`eagle guard` cannot make sure that the silent run is dead, so it does nothing (S13)",
        "End the process on its machine, then `eagle recover`; or close the accounts at their venues by hand, now.",
    ),
    "guard_failed": _process(
        Level.PERSON,
        "`eagle guard` took over and could not close what the run left",
        "Look at every account at its venue; its text says whether the guard tries again, as `eagle recover` does.",
    ),
    "guard_took_over": _process(
        Level.WARNING,
        "`eagle guard` took over from a run that hung or died, and the venues confirm flat within dust",
        "Read the journal of both runs before the next one is started.",
    ),
    "fills_unread": _process(
        Level.WARNING,
        "a run that takes over from a dead one cannot read the fills of the time between",
        "Nothing at once: it waits for them up to a minute where positions differ from the journal, which may not tell"
        " every order, or an order has filled more; else quantities come from orders and positions. `eagle audit` may"
        " miss rows then; compare fees by hand.",
    ),
    "requests_awaited": _process(
        Level.WARNING,
        "a start, often soon after another run ended, finds no request left in a venue's minute; told once",
        "Nothing: it waits, 120 s at most for one answer. If it gives up, let nothing else use the account or address.",
    ),
    "venue_awaited": _process(
        Level.WARNING,
        "a venue or the network does not answer while a run comes up: no connection, or HTTP 5xx",
        "Nothing at once: it asks again for up to 25 s. If it gives up, nothing was sent: see whether the venue is up,"
        " and start again; what an earlier run left is open until then.",
    ),
    "fills_unpriced": _process(
        Level.WARNING,
        "a run ends, and no venue tells the price and fee of something that is known to have filled",
        "Quantities are right; profit and fees leave it out. Read them at the venue; `eagle audit` names the order.",
    ),
    "order_adopted": _process(
        Level.WARNING,
        "a run that takes over finds an order of the dead one that no journal tells, because its disk was full (S15)",
        "Nothing: it counts as ours and is closed with the rest. Its intent was printed by the run that made it.",
    ),
    "lease_lost": _process(
        Level.PERSON,
        "The file that says who owns an account was removed or replaced while the run held it (S21).",
        "Find out who did it. The run opens nothing any more and closes in order; start it again afterwards.",
    ),
    # a person is needed
    "hedge_stuck": _desk(
        Level.PERSON,
        "no account takes a hedge; asked again every 250 ms, told every 10 s",
        "Hedge the quantity by hand on any account, or free margin on a taker. The run opens nothing meanwhile.",
    ),
    "unhedged_hard": _desk(
        Level.PERSON,
        "exposure is older than `unhedged_hard_age`; the run halts and goes on hedging; told every 10 s",
        "Look at the takers at their venue; hedge the exposure by hand if the hedges do not get through.",
    ),
    "limit": _desk(
        Level.PERSON,
        "a limit of the config broke; once for each kind of limit",
        "Wait for the run to end flat; find out why before it is started again (troubleshooting.md, It halted).",
    ),
    "fee_uncounted": _desk(
        Level.WARNING,
        "an account pays fees in an asset that is neither base nor quote of its market; once each",
        "Switch the discount off (BNB at Binance), so that the books have every fee; or set tighter limits on loss.",
    ),
    "keys_fail": _process(
        Level.PERSON,
        "an account cannot connect with the keys of a new version of the config, which a question had tried before",
        "Look at the key at its venue. It is tried every 10 s; the account hedges nothing until it is back.",
    ),
    "not_hedged": _desk(
        Level.PERSON,
        "a listened account told of a fill that is hedged by nobody: it took, met itself, traded another market, or a"
        " row could not be read",
        "Look at the account at its venue; hedge by hand what is real. What could not be read is told by the venue's"
        " list of orders within seconds.",
    ),
    "halt": _desk(
        Level.PERSON,
        "the flow halts: no opening, cancel, bring the net to 0",
        "Watch that the net goes to 0. If it does not, flatten at the venues by hand.",
    ),
    "flow": _desk(Level.PERSON, "the flow's own verb `alert`", "Do what its text says."),
    "not_compared": _desk(
        Level.WARNING,
        "twenty readings of the positions in a row, in five minutes, failed or met something that moved; once each",
        "Nothing opens until one counts. If it stays so, look whether the venues still tell the accounts' positions.",
    ),
    "positions_differ": _desk(
        Level.PERSON,
        "ledger and venue differ over a quiet cut; at the second reading the run halts and trades nothing",
        "Did anybody trade there by hand? Bring the account to what the ledger says or flatten it; then a new run.",
    ),
    "order_revived": _desk(
        Level.WARNING,
        "the venue shows an order of which it had known nothing for longer than it could still be accepted",
        "Nothing: it is cancelled, and what it fills is hedged. If it comes again, tell the venue.",
    ),
    "order_lost": _desk(
        Level.PERSON,
        "the venue no longer knows an order that it had; taken as ended with what is known to have filled",
        "Look the order up at the venue; if more of it filled, the next comparison of positions will tell.",
    ),
    "account_unwilling": _desk(
        Level.PERSON,
        "an account takes none of our flattening orders; it is tried on, ever less often",
        "Look at the account at its venue: margin, reduce-only, a closed market. Flatten it by hand if need be.",
    ),
    "relisted": _desk(
        Level.PERSON,
        "a venue has changed tick, lot or least size; read after it refused a price or size, and used at once",
        "Look whether `quantity` and the offsets in ticks still mean what they should; else stop the run in order.",
    ),
    "self_match": _desk(
        Level.PERSON,
        "two accounts of this run traded with each other; no opening until a person has looked",
        "Stop the run, switch on the venue's self-trade prevention, check the owners in the config, start again.",
    ),
    "fill_trade": _desk(
        Level.PERSON,
        "a fill that no order of this run caused; it counts as exposure and is hedged",
        "Find out who trades on this account. Nobody else may while the flow runs.",
    ),
    "fill_liquidation": _desk(
        Level.PERSON,
        "the venue liquidated a position; its fill is hedged and the run winds down",
        "Add margin or lower the quantity before the next start; check the other accounts' distance to liquidation.",
    ),
    "fill_adl": _desk(
        Level.PERSON,
        "the venue reduced a position against a bankrupt counterparty (ADL); hedged, and the run winds down",
        "Check the positions of all accounts at their venues before the next start.",
    ),
    "clock_jumped": _desk(
        Level.PERSON,
        "the machine slept or stalled for more than 2 s; every stream is resynced before anything opens",
        "Switch off suspend on this machine; if it was not asleep, see what else used the processor.",
    ),
    "step_failed": _desk(
        Level.PERSON,
        "a guard or verb of the flow failed; fills and hedges are untouched, the state is kept",
        "Let the run end, keep the journal and report the text: it is a defect of the flow or of this program.",
    ),
    "chart_crippled": _desk(
        Level.PERSON,
        "the flow failed even at handling its failure; resting orders are cancelled, the run ends when hedged",
        "Check that it ended flat; report the text with the journal.",
    ),
    "internal_error": _process(
        Level.PERSON,
        "a defect of this program or of an adapter; the run is asked to end in order",
        "Check that it ended flat (`eagle audit`); report the text with the journal.",
    ),
    "journal_lost": _process(
        Level.PERSON,
        "the journal cannot be written; no opening any more, the run ends in order",
        "Free or mend the disk; compare the accounts with their venues: what was not stored was printed to stderr.",
    ),
    "hedge_held": _desk(
        Level.PERSON,
        "what a source's fills left open is due, but every hedge account's price is outside `price_band` or its book is"
        " stale; told once a minute while it lasts, looked at again every second",
        "Compare the two markets. At `max_age` it goes by market or is held on (`on_max_age`); or hedge by hand.",
    ),
    "hedge_by_hand": _desk(
        Level.PERSON,
        "a hedge is due and the flow only records (`manual`); told every ten minutes while it is open, sooner"
        " where as much again has come",
        "Hedge what has come on top of the calls before; this run goes on counting all of it as open.",
    ),
    "source_away": _desk(
        Level.PERSON,
        "risk is open at the start and the source has not told what happened meanwhile; nothing is hedged until then",
        "See why the source does not connect: keys, address, clock. Hedge by hand if it stays away.",
    ),
    # worth knowing
    "config_refused": _process(
        Level.WARNING,
        "an edited config is not applied because something in it is wrong, or cannot change while it runs",
        "Mend what its text names and save it again; the former version goes on meanwhile.",
    ),
    "config_not_applied": _process(
        Level.WARNING,
        "the config was edited and its `_version` has not grown",
        "Raise `_version` if the edit is to hold; else leave it.",
    ),
    "dust_held": _desk(
        Level.WARNING,
        "what is open is older than `max_age` and below the smallest order of every hedge account",
        "Nothing; it is carried into the next hedge.",
    ),
    "unhedged_soft": _desk(
        Level.WARNING,
        "exposure is older than `unhedged_soft_age`",
        "Nothing yet; if it comes often, look at the takers' latency and refusals.",
    ),
    "hedge_refused": _desk(
        Level.WARNING,
        "an account refused a hedge; the next account is asked at once",
        "If it comes often, look at that account's margin and the venue's limits.",
    ),
    "outcome_unknown": _desk(
        Level.WARNING,
        "no answer to an order; it is asked about by its id until its fate is certain",
        "Nothing; if it comes often, the connection to that venue is bad.",
    ),
    "no_book": _desk(
        Level.WARNING,
        "an order was due and the account's book is missing or cannot be used",
        "Check the market's symbol and the venue's status if it goes on.",
    ),
    "alert_undelivered": _process(
        Level.WARNING,
        "the alert command or a URL of the config did not take an alert; calls nobody itself",
        "Run `eagle alert test --config FILE` and mend the channel that fails.",
    ),
    "listener_failed": _process(
        Level.WARNING,
        "the metrics page or the control socket had a fault, or no file descriptor was left for a visitor",
        "Nothing; if it comes often, see who connects to them, and raise the limit of open files.",
    ),
    "logs_lost": _process(
        Level.WARNING,
        "a log cannot be written; told once, the run goes on, and the gap is noted in the log when it is over",
        "Free disk space or mend the folder; the journal has everything.",
    ),
    "not_warm": _process(
        Level.WARNING,
        "what `keep_warm` asks for is not done any more: hedges leave all the same, and take as long as without it",
        "Nothing for the run. If the words name no setting of yours, report them.",
    ),
    "metrics_lost": _process(
        Level.WARNING,
        "the file of `--metrics` cannot be written; told once, it is written again when it can be",
        "Free disk space or mend the folder; whoever reads the file sees old figures until then.",
    ),
    # told beside the rest
    "round_cost": _desk(
        Level.INFO,
        "before the first round: what a round is expected to cost",
        "Compare it with what you are paid for the volume; `max_round_cost` stops opening above a bound.",
    ),
    "not_opening": _desk(
        Level.INFO,
        "no round may open, with the reason; told when a reason has stood for 2 s, the same one once a minute",
        "Nothing, if the reason is the market's; else see which limit, stream or taker stands in the way.",
    ),
    "hedge": _desk(
        Level.INFO,
        "a hedge on terms leaves: what is open, at which average price, and which fills it answers",
        "Nothing.",
    ),
    "keys_changed": _process(
        Level.INFO,
        "an account has other keys and a new connection, as a new version of the config says",
        "Nothing.",
    ),
    "reconfigured": _desk(
        Level.INFO,
        "new settings or limits hold from now on, with what changed; hedges on their way keep their own",
        "Check that it is what you meant.",
    ),
    "net_zero": _desk(
        Level.INFO,
        "fills of both sides came to nothing before a hedge was due",
        "Nothing.",
    ),
    "fill_settlement": _desk(
        Level.INFO,
        "the venue settled a position; the fill counts and is hedged",
        "Nothing; on a dated contract, mind the next settlement.",
    ),
    "note": _desk(Level.INFO, "the flow's own verb `note`", "Nothing."),
    "test": _process(Level.INFO, "`eagle alert test`; at the level of `alerts.level`", "Nothing: it has come through."),
}

UNKNOWN_CODE = AlertCode(Level.PERSON, Raiser.PROCESS, "a code without a row here", "Read its text and the journal.")


def alert_code(code: str) -> AlertCode:
    """The row of a code."""
    return ALERT_CODES.get(code, UNKNOWN_CODE)
