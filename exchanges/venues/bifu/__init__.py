"""A local BiFu: the market makers' variant of its protocol, and a market maker whose fills it tells."""
