"""What all tests share, the examples in docstrings included."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")  # before anybody imports Keras, which else reads the user's settings
