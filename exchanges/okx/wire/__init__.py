"""OKX on the wire: pure."""
