"""Measurements by hand, on the real cluster; what they print is for `docs/reference/benchmarks.md`.

No test asserts a time: two cores and somebody else's work beside it decide too much of it.
"""
