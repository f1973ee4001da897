"""Programs as objectives: how one is written down (Program), and what runs it once per trial (Command)."""

from __future__ import annotations

from kilter.executors.command.command import Command, RunningCommand
from kilter.executors.command.program import Program

__all__ = ["Command", "Program", "RunningCommand"]
