"""Settings that hold for every test."""

import signal

from hypothesis import settings

# A job in the background is started with SIGINT ignored, and so is every program that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: a shared machine is slow at times, and a test must not depend on the wall clock.
settings.register_profile("eagle", deadline=None)
settings.load_profile("eagle")
