"""Backpack Exchange: orders over signed REST, everything that happens to them over one private stream."""
