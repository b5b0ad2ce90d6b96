"""Venues behind one interface: types, errors, the client base class and the adapters."""
