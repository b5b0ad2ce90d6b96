"""Binance, spot and USD-M futures, behind `exchanges/base.py`."""
