"""``python -m services`` is the command line."""

import sys

from services.cli import main

sys.exit(main())
