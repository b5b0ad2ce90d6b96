"""Proves a flow within bounds: the real desk, stepped against venues that do everything they are allowed to."""
