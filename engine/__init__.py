"""The chart engine, the trading vocabulary and the runtime."""
