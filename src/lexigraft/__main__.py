"""`python -m lexigraft` is `lexigraft`."""

from __future__ import annotations

from lexigraft.cli import main

if __name__ == "__main__":
    main()
