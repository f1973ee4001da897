"""Colours by what they stand for. One set serves light and dark pages: each has a contrast of 3 : 1 against both.

Hues are those of Okabe and Ito (2008), darkened where they would vanish on white. States differ in shape, too.
"""

from __future__ import annotations

from dataclasses import dataclass

from kilter.core.events import TrialState

BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#1f86cc", "#bf7d00", "#009a70", "#d55e00", "#c26d9c", "#808080"

COLORS = {
    "complete": BLUE,
    "pruned": ORANGE,
    "failed": RED,
    "running": GREEN,
    "paused": PURPLE,
    "waiting": GREY,
    "infeasible": GREY,
    "best": RED,
    "accent": BLUE,
    "muted": GREY,
}
SERIES = (BLUE, RED, GREEN, PURPLE, ORANGE, "#4a90a4", "#7a6fd0", GREY)
"""For several studies or lines, in turn."""

SHAPES = {
    TrialState.COMPLETE: "circle",
    TrialState.PRUNED: "hollow",
    TrialState.FAIL: "cross",
    TrialState.RUNNING: "ring",
    TrialState.PAUSED: "square",
    TrialState.WAITING: "diamond",
}
WORDS = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.PAUSED: "paused",
    TrialState.WAITING: "waiting",
}

VIRIDIS = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")
"""From dark to bright."""


def color(role: str) -> str:
    """The colour of a role, of a series ("series 2"), or a colour as it is."""
    if role.startswith("series "):
        return SERIES[int(role.removeprefix("series ")) % len(SERIES)]
    return COLORS[role]


@dataclass(frozen=True)
class Theme:
    """The page that a figure stands on."""

    name: str
    paper: str
    ink: str
    grid: str
    ramp: tuple[str, ...]
    """From the bad end to the good one, which stands out from the paper."""


LIGHT = Theme("light", "#ffffff", "#222222", "#e3e3e3", tuple(reversed(VIRIDIS[:-1])))
DARK = Theme("dark", "#16181c", "#e6e6e6", "#34383f", VIRIDIS[1:])
THEMES = {theme.name: theme for theme in (LIGHT, DARK)}
