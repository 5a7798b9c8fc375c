"""The battery: judges any causal model, the untaught one included; cannot see what was trained on.

One check a file. Nothing is imported here: the report reads `checks.results`, and needs no torch.
"""

from __future__ import annotations
