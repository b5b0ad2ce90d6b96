"""The script's entry. It survives what keeps the program from being imported, and says what that is."""

from __future__ import annotations

import sys


def main() -> int:
    """Runs a command; returns its exit code. Nothing is imported before an interrupt is looked after.

    An interrupt that comes when the result is there changes it no more, as it would while the interpreter ends.
    """
    try:
        code = _perform()
        import signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        sys.stderr.write("eagle: interrupted\n")
        return 130
    return code


def _perform() -> int:
    try:
        from cli.main import main as perform
    except ImportError as wrong:
        return _explain(wrong)
    return perform()


def _explain(wrong: ImportError) -> int:
    from cli.names import shadows

    found = shadows()
    lines = [f"eagle: cannot start: {wrong}"]
    lines += [f"  {text}" for text in found]
    lines.append(
        "  take it off PYTHONPATH or rename it, or install eagle-flow in an environment of its own"
        if found
        else "  a package is missing or damaged: install eagle-flow again (in a clone: make clean, make run)"
    )
    sys.stderr.write("\n".join(lines) + "\n")
    return 1
