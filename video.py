#!/usr/bin/env python3
"""Visema: a face and words in, the face saying the words out. See `python video.py --help`."""

import sys

from visema.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
