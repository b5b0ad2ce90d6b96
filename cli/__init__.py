"""The eagle command."""
