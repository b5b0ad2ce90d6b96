"""Lighter (zkLighter): signed transactions over REST, everything that becomes of them over one stream."""
