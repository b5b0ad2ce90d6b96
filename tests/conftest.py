"""Settings that hold for every test."""

from hypothesis import settings

# No deadline: a shared machine is slow at times, and a test must not depend on the wall clock.
settings.register_profile("eagle", deadline=None)
settings.load_profile("eagle")
