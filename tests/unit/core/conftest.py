"""Hypothesis without deadlines: a busy machine is slow, not wrong."""

from hypothesis import settings

settings.register_profile("unit", deadline=None)
settings.load_profile("unit")
