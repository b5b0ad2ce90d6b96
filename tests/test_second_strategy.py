"""A strategy that needs no Python: another flow of the same words runs on the same desk, here without hedging."""

from __future__ import annotations

from decimal import Decimal

from trading_kit import Bench, account

from engine.chart.load import load_flow
from engine.chart.validate import check
from engine.trading.effects import AskOrder, Finish
from engine.trading.inputs import Answered, Looked, Request
from engine.trading.vocabulary import trading_vocabulary
from exchanges.types import OrderState, Unknown

D = Decimal

TEXT = """
flow: buy_then_sell
version: 1
about: Rest a buy, then a sell two ticks further from the book; directional, not hedged.
settings:
  quantity: {type: qty, above: 0, about: size}
  patience: {type: duration, default: 5s, about: how long an order rests}
accounts:
  trader: {pick: one}
legs:
  entry:  {account: trader, purpose: open, buys: "true", quantity: settings.quantity, offset: 1 ticks}
  profit:
    {account: trader, purpose: close, buys: "false", quantity: abs(maker_position), offset: 3 ticks, reduces: true}
on:
  order.partially_filled: {do: [{note: part of an order filled}]}
  order.unknown: {do: [{note: asking}]}
  cancel.refused: {do: [{note: the order decides}]}
  link.lost: {do: [{note: waiting for the stream}]}
  order.filled: {do: [{note: a late fill}]}
  order.canceled: {do: [{note: a late cancel}]}
  order.refused: {do: [{note: a late refusal}]}
  limit.breached: {to: ENDING}
  error.raised: {to: ENDING}
  stop.requested: {to: ENDING}
  stop.now: {to: ENDING}
ignore:
  order.accepted: the order rests
  order.not_sent: the patience looks after it
  link.trusted: conditions are read when needed
  market.opened: conditions are read when needed
  market.closed: the order rests on
states:
  BUYING:
    entry: [{begin_round: }, {rest: entry}]
    on:
      order.filled: SELLING
    after:
      patience: ENDING
  SELLING:
    entry: [{rest: profit}]
    on:
      order.filled: ENDING
    after:
      patience: ENDING
  ENDING:
    entry: [{cancel_all: }]
    always:
      - {when: not orders_live, to: ENDED}
    after:
      patience: ENDED
  ENDED:
    final: true
    entry: [{end_round: }, {finish: }]
"""


def bench() -> Bench:
    flow = load_flow(TEXT, file="flows/buy_then_sell.yaml", vocabulary=trading_vocabulary())
    assert check(flow) == []
    return Bench(flow=flow, accounts=(account("m", "a"),), roles={"trader": ("m",)})


def test_a_flow_without_hedging_runs_to_its_end() -> None:
    desk = bench()
    desk.begin()
    assert desk.placed(desk.log) == [("m", "entry", "buy", D("1.0"))]
    effects = desk.fill(desk.newest("entry"), "1")
    assert desk.placed(effects) == [("m", "profit", "sell", D("1.0"))]
    done = desk.fill(desk.newest("profit"), "1")
    assert [(effect.exit_code, effect.text) for effect in done if isinstance(effect, Finish)] == [(0, "flat")]


def test_an_unknown_outcome_is_asked_in_a_flow_without_hedging_too() -> None:
    """S4 is the desk's own rule, not the hedging rule's."""
    desk = bench()
    desk.begin()
    order = desk.newest("entry")
    effects = desk.give(Answered(order, Request.PLACE, Unknown("timeout")))
    assert [effect.client_id for effect in effects if isinstance(effect, AskOrder)] == [order]
    found = desk.give(Looked(order, 0, ok=True, update=desk.told(order, OrderState.FILLED, "1.0")))
    assert desk.placed(found) == [("m", "profit", "sell", D("1.0"))]
