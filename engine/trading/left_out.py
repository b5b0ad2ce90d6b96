"""What a listened account tells and nobody hedges: said aloud where a person must look, never in silence."""

from __future__ import annotations

from engine.trading.effects import Alert, Level
from engine.trading.inputs import LeftOut


def told_left_out(given: LeftOut) -> list[Alert]:
    """The call for a person; nothing where it is as it should be, such as what was filled before the first start."""
    if not given.alarm:
        return []
    facts = {"account": given.account, "why": given.why}
    if given.fill is not None:
        it = given.fill
        facts |= {
            "symbol": it.symbol, "order_id": it.order_id, "trade_id": it.trade_id, "side": it.side.value,
            "qty": str(it.qty), "price": str(it.price),
        }  # fmt: skip
    return [Alert(Level.PERSON, "not_hedged", f"{given.account}: {given.text}", facts)]
