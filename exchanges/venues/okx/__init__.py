"""A local OKX, written from the venue's documents."""
