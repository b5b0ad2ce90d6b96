"""Binance's wire, pure: `product` names the two sides, `request` signs and encodes, `stream` and `reply` decode."""
