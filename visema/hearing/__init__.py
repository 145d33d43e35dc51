"""Hearing: a recording of speech to timed words and phones."""

from visema.hearing.hear import hear

__all__ = ["hear"]
