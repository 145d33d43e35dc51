"""Visema: a face and words go in; the face saying the words comes out.

Importing this package loads no engine, no web framework and no neural network; each loads when it is chosen.
"""

__version__ = "0.1.0"
