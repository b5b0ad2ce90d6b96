"""Lighter's wire: what is sent and what comes back. Pure."""
