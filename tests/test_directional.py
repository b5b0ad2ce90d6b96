"""A flow without hedging: what it holds is a position. Its legs may have prices, and several orders at once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from config_kit import flow_with
from trading_kit import LIMITS, Bench, account

from cli.demo import demo_config
from cli.locate import CannotUse
from cli.wiring import watch_of
from engine.chart.load import load_flow
from engine.chart.model import Flow, FlowError
from engine.runtime.config import load_config
from engine.trading.effects import Alert, Effect, Finish, PlaceOrder, RoundBegan
from engine.trading.inputs import StopAsked
from engine.trading.plan import RoleSpec
from engine.trading.vocabulary import trading_vocabulary
from exchanges.types import LinkState, LinkUpdate, OrderRequest, OrderState, Quote

D = Decimal

TEXT = """
flow: ladder
version: 1
settings:
  quantity: {type: qty, above: 0}
  gain:     {type: ratio, default: 1%}
  keep:     {type: bool, default: false}
accounts:
  trader: {pick: one}
legs:
  entry:  {account: trader, purpose: open, buys: BUYS, quantity: settings.quantity, offset: 1 ticks}
  profit:
    account: trader
    purpose: close
    buys: not (BUYS)
    quantity: max(abs(maker_position) - profit.unfilled, 0)
    price: entry.last_price * (1 + settings.gain if BUYS else 1 - settings.gain)
  target: {account: trader, purpose: open, buys: "true", quantity: settings.quantity, price: best_ask * 0.99}
on:
  link.trusted: {do: [{take: target}]}
  link.lost: {do: [{take: {leg: target, slippage: 10bps}}]}
  market.opened: {do: [{begin_round: }]}
  order.accepted: {do: [{rest: profit}]}
  order.partially_filled: {do: [{note: a part}]}
  order.filled: {do: [{rest: profit}]}
  order.canceled: {do: [{note: ended}]}
  order.refused: {do: [{note: refused}]}
  order.unknown: {do: [{note: asking}]}
  cancel.refused: {do: [{note: the order decides}]}
  limit.breached: {do: [{alert: a limit broke}]}
  error.raised: {to: LEFT}
  stop.requested: {do: [{rest: entry}]}
  stop.now: {to: LEFT}
ignore:
  order.not_sent: nothing rests
  market.closed: nothing cares
states:
  OPEN:
    resting: true
    entry: [{begin_round: }, {rest: entry}]
  LEFT:
    final: true
    entry: [{finish: {flat: not settings.keep}}]
"""


def ladder(*, buys: bool = True) -> Flow:
    text = TEXT.replace("BUYS", "settings.quantity > 0" if buys else "settings.quantity < 0")
    return load_flow(text, file="ladder.yaml", vocabulary=trading_vocabulary())


def bench(settings: dict[str, str] | None = None, *, buys: bool = True, max_net: str = "10") -> Bench:
    desk = Bench(
        settings, flow=ladder(buys=buys), accounts=(account("m", "a"),), roles={"trader": ("m",)},
        limits=replace(LIMITS, max_net=D(max_net)),
    )  # fmt: skip
    desk.begin()
    return desk


def facts(desk: Bench, leg: str = "profit") -> tuple[object, ...]:
    it = desk.desk.legs[leg]
    return (it.orders, it.unfilled, it.nearest, it.last_price, it.size)


# --- legs with a price, and several orders of one leg


def test_a_leg_with_a_price_rests_there_and_its_facts_speak_of_all_its_orders() -> None:
    desk = bench()
    assert facts(desk) == (0, D(0), D(0), D(0), D(0))
    desk.fill(desk.newest("entry"), "1", price="100")
    first = desk.orders[desk.newest("profit")].request
    assert (first.side.value, first.qty, first.price, first.post_only) == ("sell", D("1.0"), D("101.0"), True)
    desk.quote("98.0", "98.1")
    desk.give(StopAsked(1))
    desk.fill(desk.newest("entry"), "1", price="98")
    assert desk.orders[desk.newest("profit")].request.price == D("99.0")  # 98.98, away from the market
    assert facts(desk) == (2, D("2.0"), D("99.0"), D(0), D(0))
    desk.fill(desk.newest("profit"), "0.4", price="99")
    assert facts(desk) == (2, D("1.6"), D("99.0"), D(99), D(0))
    assert facts(desk, "entry")[3] == D(98)
    desk.update(desk.newest("profit"), OrderState.CANCELED, "0.4")
    assert facts(desk) == (1, D("1.0"), D("101.0"), D(99), D("0.6"))  # 0.6 are covered by no order now


def test_a_price_behind_the_market_still_never_takes() -> None:
    desk = bench()
    desk.quote("105.0", "105.1")
    desk.fill(desk.newest("entry"), "1", price="100")
    assert desk.orders[desk.newest("profit")].request.price == D("105.1")  # a tick from the bid, not at 101


def test_a_leg_that_sells_first_buys_back_below() -> None:
    desk = bench(buys=False)
    desk.fill(desk.newest("entry"), "1", price="100")
    bought = desk.orders[desk.newest("profit")].request
    assert (bought.side.value, bought.price) == ("buy", D("99.0"))
    assert facts(desk)[2] == D("99.0")


def test_a_taking_order_is_no_worse_than_its_legs_price_nor_than_its_slippage() -> None:
    desk = bench()
    lost = desk.give(LinkUpdate("m", LinkState.LOST, desk.now))
    assert [taken.price for taken in requests(lost)] == [D("99.0")]  # 99.099; the slippage would allow 100.2
    again = desk.give(LinkUpdate("m", LinkState.TRUSTED, desk.now))
    assert [(taken.price, taken.tif.value) for taken in requests(again)] == [(D("99.0"), "ioc")]


def test_nothing_rests_before_there_is_something_to_close() -> None:
    desk = bench()
    assert requests(desk.update(desk.newest("entry"), OrderState.OPEN)) == []


def test_one_leg_may_order_what_another_has_left_whatever_stands_first() -> None:
    text = TEXT.replace("BUYS", "true").replace(
        "quantity: settings.quantity, offset", "quantity: profit.unfilled, offset"
    )
    assert load_flow(text, file="ladder.yaml", vocabulary=trading_vocabulary()).name == "ladder"


def requests(effects: list[Effect]) -> list[OrderRequest]:
    return [effect.request for effect in effects if isinstance(effect, PlaceOrder)]


# --- what it holds is a position


def test_a_position_is_neither_dust_nor_unhedged_nor_unsettled() -> None:
    desk = bench({"quantity": "9"}, max_net="100")  # unhedged_hard is 10, dust_cap a worth of 1000
    desk.fill(desk.newest("entry"), "9")
    effects = desk.fill(filled_again(desk), "9")
    view = desk.desk.view
    assert (view.settled, view.hedgeable, view.dust_capped, view.exposure) == (True, D(0), False, D(18))
    assert [effect.code for effect in effects if isinstance(effect, Alert)] == []


def filled_again(desk: Bench) -> str:
    desk.give(StopAsked(1))
    return desk.newest("entry")


def test_nothing_opens_that_would_bring_the_net_position_above_its_limit() -> None:
    """Else a fill would break the limit, and the run would halt over what it has done itself."""
    desk = bench({"quantity": "2"}, max_net="3")
    assert desk.desk.view.closed_because() == ""
    desk.fill(desk.newest("entry"), "2")
    assert desk.desk.view.closed_because() == "a net position of 2 would come above max_net 3"


def test_no_cost_of_a_round_is_told_that_depends_on_where_the_price_goes() -> None:
    desk = bench()
    assert [effect.expected_bps for effect in desk.log if isinstance(effect, RoundBegan)] == [None]
    assert desk.desk.view.expected_cost() is None


@pytest.mark.parametrize(
    ("keep", "ending"), [("false", (1, "not flat; m: +1 ETHUSDT")), ("true", (0, "holding as meant; m: +1 ETHUSDT"))]
)
def test_a_run_that_is_to_hold_its_position_ends_well_with_it(keep: str, ending: tuple[int, str]) -> None:
    desk = bench({"keep": keep})
    desk.fill(desk.newest("entry"), "1")
    desk.update(desk.newest("profit"), OrderState.CANCELED)
    done = desk.give(StopAsked(2))
    assert [(effect.exit_code, effect.text) for effect in done if isinstance(effect, Finish)] == [ending]


def test_an_order_that_still_rests_is_no_good_end_even_so() -> None:
    desk = bench({"keep": "true"})
    done = desk.give(StopAsked(2))
    [finish] = [effect for effect in done if isinstance(effect, Finish)]
    assert (finish.exit_code, finish.text) == (
        1,
        f"flat so far; m: buy 1.0 ETHUSDT still live ({desk.newest('entry')})",
    )
    assert finish.left_open


def test_a_maker_alone_is_watched_by_its_own_book() -> None:
    watch = watch_of(bench().plan)
    seen = watch.quote(Quote("a", "ETHUSDT", D(100), D(5), D("100.1"), D(5), recv_ns=1))
    assert seen is not None
    assert (seen.open, watch.due_ns()) == (True, 1_000_000_002)


# --- its config


def test_limits_that_bound_hedging_are_refused_and_the_net_limit_is_that_of_an_account() -> None:
    flow = flow_with("quantity: {type: qty}", hedged=False, maker=RoleSpec("maker", many=False))
    text = """
version: 1
market: ETH-PERP
markets: {ETH-PERP: {p: ETHUSDT}}
venues: {p: {kind: paper}}
accounts: [{name: hawk, venue: p, owner: me, balance: 1}]
use: {maker: hawk}
settings: {quantity: 2}
"""
    limits = load_config(text, file="c.yaml", flow=flow).limits
    assert (limits.max_net, limits.max_position) == (D(40), D(40))
    with pytest.raises(FlowError) as caught:
        load_config(f"{text}limits: {{dust_cap: 3, max_order: 4}}\n", file="c.yaml", flow=flow)
    [finding] = caught.value.findings
    assert (finding.code, str(finding.span)) == ("G725", "c.yaml:9:20")
    assert finding.message == "dust_cap bounds hedging, but this flow does not hedge"
    assert finding.hint.startswith("remove it; what bounds this flow is max_order, max_position, max_gross, max_net,")


def test_the_demo_pool_fills_the_roles_and_settings_of_any_flow() -> None:
    roles = {
        "one": RoleSpec("one", many=False),
        "two": RoleSpec("two", many=False),
        "rest": RoleSpec("rest", many=True),
    }
    flow = flow_with("size: {type: qty, example: 0.5}\nturns: {type: count, default: 3}", **roles)
    config = load_config(demo_config(flow).text.replace("settings:", "limits: {}\nsettings:"), file="d", flow=replace(
        flow, settings={**flow.settings, "quantity": replace(flow.settings["size"], name="quantity", default=D(1))}
    ))  # fmt: skip
    assert config.roles == {"one": ("hawk",), "two": ("chick-1",), "rest": ("chick-2", "chick-3")}
    assert (config.settings["size"], config.settings["turns"]) == (D("0.5"), 3)


def test_a_flow_without_examples_says_what_it_needs() -> None:
    flow = flow_with("size: {type: qty}\nturns: {type: count}", one=RoleSpec("one", many=False))
    with pytest.raises(CannotUse, match="toy has no demo: size, turns have neither a default nor an example"):
        demo_config(flow)
