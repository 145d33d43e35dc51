"""``python -m visema``: the command of the platform."""

import sys

from visema.cli.platform import main

sys.exit(main())
