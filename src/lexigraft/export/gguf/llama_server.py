"""llama.cpp in a process of its own: `python llama_server.py FILE CONTEXT THREADS KEY`.

A failed assertion in llama.cpp ends its whole process, and it logs as it likes: neither may happen
to the process that exports. Prints one line of JSON with the server's address, and serves until
its standard input ends. Imports nothing of lexigraft, so that it starts at once.
"""

from __future__ import annotations

import json
import os
import sys


def serve(path: str, context: int, threads: int, key: str) -> None:
    """Serves the GGUF at `path` on a free port of this machine alone."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = context
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.warmup = False
    params.ui = False
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    server = xllamacpp.Server(params)
    json.dump({"address": server.listening_address}, answers)
    answers.write("\n")
    answers.flush()
    sys.stdin.read()
    # Its threads need not be waited for: nothing is written.
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
