"""Conformance suites for those who extend kilter: subclass the suite of a seam and pytest runs its checks."""
