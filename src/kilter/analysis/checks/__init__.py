"""Checks of a study, by what they look at."""
