"""llama.cpp itself, asked what it makes of a file."""

from __future__ import annotations

import http.client
import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lexigraft.errors import ExportError
from lexigraft.export.gguf import llama_server

__all__ = ["LlamaCpp", "require_llama_cpp"]

CONTEXT = 512
_SECONDS = 600.0
_LOWEST = -1e30


def require_llama_cpp() -> None:
    """Raises ExportError, saying how to install it, where llama.cpp is not there."""
    if find_spec("xllamacpp") is None:
        raise ExportError(
            "A GGUF is only written when llama.cpp can check it, and xllamacpp, which brings it, "
            "is not installed. Install it with `pip install 'lexigraft[gguf]'`."
        )


class LlamaCpp:
    """A GGUF file loaded by llama.cpp on the CPU. A context manager: leaving it ends the process.

    Raises ExportError on entering where llama.cpp does not load the file, and from every method
    where it ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key = secrets.token_hex(16)
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[bytes] | None = None
        self._connection: http.client.HTTPConnection | None = None
        self._letter: int | None = None

    def __enter__(self) -> LlamaCpp:
        # -P: this folder's modules must not stand before the libraries' own.
        command = [sys.executable, "-P", str(llama_server.__file__), str(self._path)]
        command += [str(CONTEXT), str(torch.get_num_threads()), self._key]
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
        )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            reason = self._reason()
            self.close()
            raise ExportError(
                f"llama.cpp does not load {self._path.name}: {reason} Nothing was kept of it."
            )
        address = json.loads(line)["address"].rpartition("/")[2]
        self._connection = http.client.HTTPConnection(address, timeout=_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends llama.cpp."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        if self._log is not None:
            self._log.close()
        self._connection = self._process = self._log = None

    def ids(self, texts: Iterable[str]) -> list[list[int]]:
        """The ids of each text as a prompt: with the tokens that are put around it."""
        asked = ({"content": t, "add_special": True, "parse_special": True} for t in texts)
        return [[int(n) for n in self._ask("/tokenize", body)["tokens"]] for body in asked]

    def log_probabilities(self, ids: Sequence[int], rows: int) -> Float[Tensor, " rows"]:
        """Of every token after `ids`; -inf for one too unlikely for llama.cpp's float32."""
        # An end token or half a character would be left out of the answer, and all probabilities
        # with it. They are taken before the bias.
        if self._letter is None:
            self._letter = self.ids(["a"])[0][-1]
        said = self._complete(ids, count=1, n_probs=rows, logit_bias=[[self._letter, 1e6]])
        values = np.full(rows, _LOWEST)
        for entry in said["completion_probabilities"][0]["top_logprobs"]:
            values[int(entry["id"])] = entry["logprob"]
        found = torch.from_numpy(values)
        return found.masked_fill(found <= _LOWEST, float("-inf")).float()

    def greedy(self, ids: Sequence[int], count: int) -> tuple[list[int], str]:
        """The likeliest token again and again after `ids`, and the text that a reader sees."""
        said = self._complete(ids, count=count)
        return [int(n) for n in said["tokens"]], str(said["content"])

    def shown(self, ids: Sequence[int], token: int) -> str:
        """What a reader sees when the model says `token` after `ids`."""
        said = self._complete(ids, count=1, logit_bias=[[token, 1e6]])
        return str(said["content"])

    def _complete(self, ids: Sequence[int], count: int, **more: Any) -> dict[str, Any]:
        body = {"prompt": list(ids), "n_predict": count, "temperature": 0.0, "samplers": ["top_k"]}
        body |= {"top_k": 1, "cache_prompt": False, "return_tokens": True, **more}
        return self._ask("/completion", body)

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            status, data = self._answer(path, json.dumps(body))
            value: Any = json.loads(data)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ExportError(
                f"llama.cpp stopped while {self._path.name} was checked ({type(error).__name__}): "
                f"{self._reason()} Nothing was kept of it."
            ) from error
        if status != 200:
            raise ExportError(f"llama.cpp refused {path}: {str(value)[:300]}")
        found: dict[str, Any] = value
        return found

    def _answer(self, path: str, body: str) -> tuple[int, bytes]:
        """Status and body. A connection that was idle is closed by the server after seconds."""
        if self._connection is None or self._process is None:
            raise ExportError("llama.cpp has ended already.")
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        for again in (True, False):
            try:
                self._connection.request("POST", path, body, headers)
                answer = self._connection.getresponse()
                return answer.status, answer.read()
            except ConnectionError:
                self._connection.close()
                if not again or self._process.poll() is not None:
                    raise
        raise ConnectionError(path)

    def _reason(self) -> str:
        """The last line of its log that speaks of an error, else the last line."""
        if self._log is None:
            return ""
        self._log.seek(0)
        lines = [line.strip() for line in self._log.read().decode(errors="replace").splitlines()]
        lines = [line for line in lines if line]
        told = [line for line in lines if "error" in line.lower() or "assert" in line.lower()]
        return (told or lines or ["it gave no reason."])[-1][:300]
