"""The Backpack Exchange protocol, from its OpenAPI description and documentation: REST and the WebSocket streams."""
