"""A generic state chart in YAML; knows no trading."""
