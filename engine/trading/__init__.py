"""The trading vocabulary: events, effects, orders, ledger, hedging, verbs. Pure."""
