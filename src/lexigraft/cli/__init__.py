"""The command line: each command parses, calls one function and prints. No logic, no torch.

Results go to stdout; progress, messages and errors go to stderr.
"""

from __future__ import annotations

# Importing a module adds its commands: the order of the help is that of these lines.
from lexigraft.cli import teaching  # noqa: F401

# isort: split
from lexigraft.cli import shipping  # noqa: F401

# isort: split
from lexigraft.cli import packs  # noqa: F401

# isort: split
from lexigraft.cli import texts  # noqa: F401

# isort: split
from lexigraft.cli.app import app, main

__all__ = ["app", "main"]
