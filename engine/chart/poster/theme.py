"""Colours of a poster, light and dark, as one style sheet.

The light rules stand alone and the dark ones in a media query behind them, so that a converter which knows no media
queries draws the light picture.
"""

from __future__ import annotations

from typing import Literal

__all__ = ["ASIDE", "FONTS", "HUES", "Theme", "style_sheet"]

Theme = Literal["light", "dark", "auto"]

FONTS = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"

# (strong, tint) of each phase along the path, then again from the start; `ASIDE` is for what lies beside it.
LIGHT = (
    ("#4a5568", "#edf0f4"),
    ("#1d5fc4", "#e6effc"),
    ("#0b7a75", "#dff3f1"),
    ("#9a5b00", "#fcf0da"),
    ("#6b3fd4", "#eee8fd"),
    ("#b0267f", "#fbe6f2"),
    ("#2f7a2f", "#e4f3e1"),
    ("#05708f", "#dff1f8"),
    ("#b42318", "#fdeae8"),
)
DARK = (
    ("#aab4c3", "#252d38"),
    ("#79b0ff", "#182a46"),
    ("#4fd1c5", "#113330"),
    ("#f0b453", "#372a10"),
    ("#b69cff", "#2a2447"),
    ("#f38cc9", "#3b1c31"),
    ("#85d07c", "#1a331c"),
    ("#62cdea", "#11343e"),
    ("#ff8f85", "#3d1c1a"),
)
HUES = len(LIGHT) - 1
ASIDE = HUES

# class -> (property, light, dark)
PAINT = (
    ("bg", "fill", "#ffffff", "#0d1117"),
    ("panel", "fill", "#f7f8fa", "#141a22"),
    ("panel", "stroke", "#d5dae1", "#2c3542"),
    ("card", "fill", "#ffffff", "#1b222c"),
    ("nest", "fill", "#eef1f5", "#10151c"),
    ("nest", "stroke", "#c3cad4", "#36404e"),
    ("t", "fill", "#1b2430", "#e4e9f0"),
    ("m", "fill", "#5d6878", "#96a2b2"),
    ("ev", "fill", "#1b2430", "#e4e9f0"),
    ("if", "fill", "#3d5a80", "#a3c4ea"),
    ("fx", "fill", "#6a4a00", "#d9bd7d"),
    ("rule", "stroke", "#e3e7ec", "#2a323d"),
    ("edge", "stroke", "#6b7786", "#8491a3"),
    ("head", "fill", "#6b7786", "#8491a3"),
    ("timer", "stroke", "#c07400", "#d99a3d"),
    ("timerhead", "fill", "#c07400", "#d99a3d"),
    ("fail", "stroke", "#c0554d", "#c96f68"),
    ("failhead", "fill", "#c0554d", "#c96f68"),
    ("main", "stroke", "#1b2430", "#e4e9f0"),
    ("mainhead", "fill", "#1b2430", "#e4e9f0"),
    ("start", "fill", "#1b2430", "#e4e9f0"),
    ("icon", "stroke", "#7b8796", "#8e9bac"),
    ("iconfill", "fill", "#7b8796", "#8e9bac"),
    ("on-hue", "fill", "#ffffff", "#0d1117"),
    ("now", "fill", "#ffd54f", "#ffd54f"),
    ("now", "stroke", "#b26a00", "#ffb300"),
    ("nowline", "stroke", "#b26a00", "#ffb300"),
    ("on-now", "fill", "#2b1d00", "#2b1d00"),
    ("took", "fill", "#d81b60", "#ff6f9f"),
    ("tookline", "stroke", "#d81b60", "#ff6f9f"),
    ("on-took", "fill", "#ffffff", "#1b0a12"),
)
FIXED = f"""\
text{{font-family:{FONTS}}}
.b{{font-weight:700}}
.edge,.timer,.fail,.main,.tookline{{fill:none}}
.edge,.timer,.fail{{stroke-width:1.3}}
.fail{{stroke-dasharray:5 3}}
.main{{stroke-width:3.5}}
.tookline{{stroke-width:3}}
.icon{{fill:none;stroke-width:1.4}}
.dim{{opacity:.38}}
.dim .dim{{opacity:1}}
.nowline{{fill:none}}
.dashed{{stroke-dasharray:6 4}}
"""


def style_sheet(theme: Theme) -> str:
    if theme == "auto":
        return f"{FIXED}{_paint(dark=False)}@media (prefers-color-scheme: dark){{\n{_paint(dark=True)}}}\n"
    return f"{FIXED}{_paint(dark=theme == 'dark')}"


def _paint(*, dark: bool) -> str:
    rules = [f".{name}{{{what}:{night if dark else day}}}" for name, what, day, night in PAINT]
    for hue, (strong, tint) in enumerate(DARK if dark else LIGHT):
        rules += [f".f{hue}{{fill:{strong}}}", f".s{hue}{{stroke:{strong}}}", f".w{hue}{{fill:{tint}}}"]
    return "\n".join(rules) + "\n"
