"""`python -m blotquant` is the command line."""

import sys

from blotquant.cli import main

if __name__ == "__main__":
    sys.exit(main())
