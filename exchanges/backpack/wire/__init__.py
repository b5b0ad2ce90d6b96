"""Backpack's wire, pure: `request` signs and encodes, `stream` and `reply` decode, `codes` holds the venue's words."""
