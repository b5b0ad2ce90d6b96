"""What options and arguments of several commands share."""

from __future__ import annotations

import click

JOURNAL = "state/eagle.sqlite"  # where `eagle run` writes unless told otherwise
# Completed by tab as a file's name. Whether it can be used is told by who reads it.
FILE = click.Path(readable=False)
