"""What was taught, as files that others load: a checkpoint, a PEFT adapter, a base with a LoRA.

Each is loaded again and compared, ids and logits, before it counts as written.
"""

from __future__ import annotations

from lexigraft.export.adapter import adapter_refusal, write_adapter
from lexigraft.export.apply import merged_model
from lexigraft.export.export import Target, export
from lexigraft.export.merged import (
    base_shard_bytes,
    checkpoint_bytes,
    dtype_name,
    stored_dtype,
    write_merged,
)
from lexigraft.export.sample import Sample, observe

__all__ = [
    "Sample",
    "Target",
    "adapter_refusal",
    "base_shard_bytes",
    "checkpoint_bytes",
    "dtype_name",
    "export",
    "merged_model",
    "observe",
    "stored_dtype",
    "write_adapter",
    "write_merged",
]
