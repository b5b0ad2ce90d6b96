"""Writes the page and the picture of a report, or says in one line why not."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from cli.locate import CannotUse
from engine.review.report_figures import Report
from engine.review.report_series import Series

__all__ = ["check", "write"]

_PICTURES = {".png": "png", ".svg": "svg"}


def check(files: Sequence[tuple[str, Path]], *, journal: Path) -> None:
    """Refuse what cannot work before a long journal is read. Raises: CannotUse."""
    for option, file in files:
        if option == "--plot" and file.suffix.lower() not in _PICTURES:
            raise CannotUse(f"--plot: {file} must end in .png or .svg")
        if file.exists() and journal.exists() and file.samefile(journal):
            raise CannotUse(f"{option}: {file} is the journal itself; name another file")
        if file.is_dir() or not file.parent.is_dir():
            what = "is a directory" if file.is_dir() else "cannot be written: there is no such folder"
            raise CannotUse(f"{option}: {file} {what}; name a file in a folder that is there")
        if find_spec("matplotlib") is None:
            raise CannotUse(f'{option} draws charts and needs an extra; install it: pip install "eagle-flow[report]"')


def write(option: str, file: Path, report: Report, series: Series, *, journal: str) -> None:
    """Raises: CannotUse."""
    from cli.report_charts import Shown, overview
    from cli.report_page import page

    shown = Shown(report, series)
    if option == "--html":
        content = page(shown, journal=journal).encode()
    else:
        content = overview(shown, kind=_PICTURES[file.suffix.lower()])
    try:
        file.write_bytes(content)
    except OSError as error:
        raise CannotUse(f"{option}: {file} cannot be written ({error.strerror})") from error
