"""A worker process: batches come in on stdin as pickles, records go out on stdout.

It ends when stdin does, so that none is left over when the main process is killed.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from functools import partial

from lexigraft.retokenize.answers import answered
from lexigraft.retokenize.encoding import Encoder, Setup

__all__ = ["main"]


def main() -> None:
    """Answers each (batch, wanted terms) with a record, or with an error's class and message."""
    # Ctrl-C reaches the whole group; the main process ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that a library prints may stand between the answers
    setup: Setup = pickle.load(sys.stdin.buffer)
    encoder = Encoder(setup)
    while True:
        try:
            batch, wanted = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        answer = answered(partial(encoder.encode, batch, wanted))
        try:
            pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()
        except BrokenPipeError:
            os._exit(1)


if __name__ == "__main__":
    main()
