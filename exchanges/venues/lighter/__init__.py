"""The Lighter protocol, from its OpenAPI description and documentation: signed transactions, REST and the streams."""
