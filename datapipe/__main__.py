"""`python -m datapipe` is the command `datapipe`."""

from __future__ import annotations

from datapipe.cli.main import main

if __name__ == "__main__":
    main()
