"""Runs a flow: inbox, clocks, senders, journal."""
