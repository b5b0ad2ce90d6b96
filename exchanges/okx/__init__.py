"""OKX: spot and linear perpetual swaps, orders through the private stream."""
