"""The protocol of Binance, spot and USD-M futures: REST, the WebSocket API and the streams."""
