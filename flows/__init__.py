"""Shipped strategies."""
