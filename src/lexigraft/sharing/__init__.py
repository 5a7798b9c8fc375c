"""To and from a hub: packs, checkpoints and adapters. safetensors only; private unless asked."""

from __future__ import annotations

from lexigraft.sharing.pull import Pulled, pull
from lexigraft.sharing.push import Shipment, push

__all__ = ["Pulled", "Shipment", "pull", "push"]
