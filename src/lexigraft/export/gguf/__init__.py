"""What was taught as a GGUF, the file that llama.cpp, Ollama and LM Studio run.

Each file is loaded by llama.cpp itself and compared, ids, log-probabilities and text, before it
counts as written.
"""

from __future__ import annotations

from lexigraft.export.gguf.check import Checked
from lexigraft.export.gguf.llama_cpp import require_llama_cpp
from lexigraft.export.gguf.quantising import TYPES, GGUFType
from lexigraft.export.gguf.write import files_bytes, gguf_refusal, write_gguf

__all__ = [
    "TYPES",
    "Checked",
    "GGUFType",
    "files_bytes",
    "gguf_refusal",
    "require_llama_cpp",
    "write_gguf",
]
