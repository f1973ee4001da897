"""What all tests share, the examples in docstrings included."""

import os

from hypothesis import HealthCheck, settings

os.environ.setdefault("KERAS_BACKEND", "torch")  # before anybody imports Keras, which else reads the user's settings

# A machine that is busy is no failure: Hypothesis times neither a law nor the drawing of its examples.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
