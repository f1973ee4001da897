"""Which trials are controls: chosen, and trained, without a look at what was measured at low fidelity.

A model over fidelity only sees what low fidelities have let pass. Where they mislead, only trials that they did not
choose can show it.
"""

CONTROL = 5
"""Every so many-th trial is a control. Fewer are too few where low fidelities mislead; more cost much early, with less
in return (docs/decisions/0010)."""
CONTROLLED = 4
"""Trials at the largest step that a model of these alone needs; before that controls are spread evenly."""


def is_control(number: int) -> bool:
    """Whether a trial is one."""
    return number % CONTROL == CONTROL - 1
