"""A larger model behind an OpenAI-compatible endpoint: `POST {url}/chat/completions`.

The request holds `model` and `messages` alone: servers differ in what else they take (`max_tokens`
and `temperature` are errors to some). The key comes from the environment, goes into one header and
nowhere else; redirects are refused, for they would carry it to another host.
"""

from __future__ import annotations

import http.client
import json
import os
import queue
import random
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from lexigraft.corpus.asking import Request
from lexigraft.errors import WriterError

__all__ = ["KEYS", "Writer", "ask_all", "writer_at"]

KEYS = ("LEXIGRAFT_WRITER_KEY", "OPENAI_API_KEY")
"""Environment variables with the key, the first that is set."""
_BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_MOST_BYTES = 8_000_000
_SHOWN = 300  # characters of an error's body
_LONGEST_PAUSE = 60.0
_READINGS = 3  # times that an answer without a sentence is asked for
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Writer:
    """Where sentences are asked for, and how patiently; times in seconds."""

    url: str
    model: str | None = None
    key: str | None = field(default=None, repr=False)
    timeout: float = 120.0
    attempts: int = 6
    pause: float = 1.0
    at_once: int = 4

    @property
    def host(self) -> str:
        """The host (and port) that the definitions are sent to."""
        return urlsplit(self.url).netloc


def writer_at(url: str, model: str | None = None) -> Writer:
    """The writer at `url` with the key from the environment."""
    keys = (os.environ.get(name, "").strip() for name in KEYS)
    return Writer(url.rstrip("/"), model, next((key for key in keys if key), None))


def ask_all(
    writer: Writer,
    requests: Sequence[Request],
    kept: Mapping[str, Sequence[str]],
    read: Callable[[Request, str], list[str]],
    keep: Callable[[str, list[str]], None],
    advance: Callable[[int], None] | None = None,
) -> list[list[str]]:
    """The sentences of every request, in their order; a few are asked at once.

    Args:
        writer: whom to ask.
        requests: what to ask.
        kept: sentences by the request's key, of answers that came before: not asked again.
        read: the sentences in an answer.
        keep: told of each answer as it comes, in this thread.
        advance: told how many requests are answered.

    Raises:
        WriterError: naming address and status; what was answered until then has been kept.
    """
    advance = advance or (lambda count: None)
    found = {i: list(kept[k]) for i, r in enumerate(requests) if (k := r.key(writer.model)) in kept}
    advance(len(found))
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(requests)):
        if index not in found:
            todo.put(index)
    with _Crew(writer, requests, todo, read) as crew:
        for index, sentences in crew.answers(len(requests) - len(found)):
            if sentences:  # else it is asked for again when the run goes on
                keep(requests[index].key(writer.model), sentences)
            found[index] = sentences
            advance(1)
    if crew.failure is not None:
        done = sum(map(bool, found.values()))
        raise WriterError(
            f"{crew.failure}\n{done} of {len(requests)} answers are kept, and nothing that was "
            "finished is lost: run the same command with --resume to go on."
        ) from crew.failure
    return [found[index] for index in range(len(requests))]


class _Crew:
    """Threads that ask; one failure stops them all, and what others have on the way is awaited."""

    def __init__(
        self,
        writer: Writer,
        requests: Sequence[Request],
        todo: queue.SimpleQueue[int],
        read: Callable[[Request, str], list[str]],
    ) -> None:
        self.failure: Exception | None = None
        self._writer, self._requests, self._todo, self._read = writer, requests, todo, read
        self._done: queue.SimpleQueue[tuple[int, list[str] | Exception]] = queue.SimpleQueue()
        self._stop = threading.Event()
        # Daemons: Ctrl-C shall not wait for an answer.
        self._threads = [
            threading.Thread(target=self._work, daemon=True) for _ in range(writer.at_once)
        ]

    def __enter__(self) -> _Crew:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def answers(self, count: int) -> Any:
        """Yields (index, sentences) as they come, until `count` did or the last after a failure."""
        while count:
            try:
                index, result = self._done.get(timeout=0.1)
            except queue.Empty:
                ended = self._stop.is_set() and not any(t.is_alive() for t in self._threads)
                # The last of them may have put its result here after the wait was over.
                if ended and self._done.empty():
                    return
                continue
            count -= 1
            if isinstance(result, Exception):
                self.failure = self.failure or result
            else:
                yield index, result

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                index = self._todo.get_nowait()
            except queue.Empty:
                return
            try:
                self._done.put((index, self._sentences(self._requests[index])))
            except Exception as error:
                self._stop.set()
                self._done.put((index, error))

    def _sentences(self, request: Request) -> list[str]:
        for _ in range(_READINGS):
            found = self._read(request, _answer(self._writer, request, self._stop))
            if found or self._stop.is_set():
                return found
        return []


class _Busy(Exception):
    """A failure that may pass: what it was, and how long the server asks to wait."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


def _answer(writer: Writer, request: Request, stop: threading.Event) -> str:
    """The text of one answer; what may pass is tried again, each time after a longer pause."""
    for attempt in range(1, writer.attempts + 1):
        try:
            return _content(_post(writer, request), writer)
        except _Busy as busy:
            if attempt == writer.attempts or stop.is_set():
                raise WriterError(
                    f"{_address(writer)} failed {attempt} times; the last time: {busy}. Wait until "
                    "the server is well again, or see whether it can answer as many requests."
                ) from busy
            pause = writer.pause * 2 ** (attempt - 1) * (0.75 + random.random() / 2)
            stop.wait(min(max(pause, busy.wait or 0.0), _LONGEST_PAUSE))
    raise WriterError(f"{_address(writer)} was not asked: no attempts were allowed.")


def _address(writer: Writer) -> str:
    return f"{writer.url}/chat/completions"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: the key is for this host alone."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(writer: Writer, request: Request) -> str:
    """The body of the answer. Raises _Busy where another attempt may help, else WriterError."""
    body: dict[str, Any] = {"messages": list(request.messages)}
    if writer.model is not None:
        body["model"] = writer.model
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    headers["User-Agent"] = "lexigraft"
    if writer.key is not None:
        headers["Authorization"] = f"Bearer {writer.key}"
    asked = urllib.request.Request(_address(writer), json.dumps(body).encode(), headers)
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if urlsplit(writer.url).hostname in _LOOPBACK:
        handlers.append(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + writer.timeout
    try:
        with urllib.request.build_opener(*handlers).open(asked, timeout=writer.timeout) as answer:
            return _hidden(_read(answer, deadline), writer)
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(error, writer) from error
    except TimeoutError as error:
        raise _Busy(f"no answer within {writer.timeout:g} seconds") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise _Busy(f"no answer within {writer.timeout:g} seconds") from error
        if isinstance(error.reason, ConnectionRefusedError | socket.gaierror | ssl.SSLError):
            raise WriterError(
                f"{_address(writer)} cannot be reached ({error.reason}). See whether the server "
                "runs and the address is right."
            ) from error
        raise _Busy(str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Busy(f"the connection broke ({type(error).__name__})") from error
    except ValueError as error:  # a key with a line break in it; its text would show the key
        raise WriterError(
            f"{_address(writer)} was not asked: the key in {' or '.join(KEYS)} has characters that "
            "no header may have. Set it anew."
        ) from (None if writer.key else error)


def _read(answer: http.client.HTTPResponse, deadline: float) -> str:
    """The body as text; a server that drips must not outlast the deadline."""
    parts: list[bytes] = []
    size = 0
    while part := answer.read1(65536):
        size += len(part)
        parts.append(part)
        if time.monotonic() > deadline:
            raise TimeoutError
        if size > _MOST_BYTES:
            raise _Busy("an answer of more than 8 MB")
    if answer.length:  # read1 does not complain of a body that was cut
        raise http.client.IncompleteRead(b"", answer.length)
    return b"".join(parts).decode("utf-8", errors="replace")


def _refused(error: urllib.error.HTTPError, writer: Writer) -> Exception:
    """What an error status means: to be tried again, or to be told with what to do."""
    try:
        text = error.read(65536).decode("utf-8", errors="replace")
    except (OSError, http.client.HTTPException):
        text = ""
    status = f"{error.code} {http.client.responses.get(error.code, '')}".strip()
    said = f"{status}: {_message(_hidden(text, writer))}".rstrip(": ")
    if error.code in _BUSY:
        return _Busy(said, _seconds(error.headers.get("Retry-After")))
    return WriterError(f"{_address(writer)} answered {said}. {_advice(error.code, writer)}")


def _advice(code: int, writer: Writer) -> str:
    if code in (401, 403):
        known = "another key" if writer.key else "the key"
        return f"Put {known} into the environment variable {KEYS[0]}."
    if 300 <= code < 400:
        return "Give the address that it leads to; a redirect is not followed with the key."
    if code in (404, 405):
        return "See whether the address is right (it mostly ends in /v1) and the model exists."
    if writer.model is None:
        return "Name a model with --writer-model."
    return "See whether the server knows the model and accepts such requests."


def _message(body: str) -> str:
    """The server's own words, shortened to one line."""
    try:
        value = json.loads(body)
        error = value.get("error", value)
        body = str(error.get("message", body) if isinstance(error, dict) else error)
    except (ValueError, AttributeError, RecursionError):
        pass
    line = " ".join(body.split())
    return (line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…").rstrip(".")


def _hidden(text: str, writer: Writer) -> str:
    """`text` without the key, which some servers repeat; a placeholder key is no secret."""
    return text.replace(writer.key, "[key]") if writer.key and len(writer.key) > 8 else text


def _seconds(value: str | None) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None  # a date: the usual pause does


def _content(body: str, writer: Writer) -> str:
    """The text of a chat completion; one that was cut off loses its last line."""
    try:
        choice = json.loads(body)["choices"][0]
        text = choice["message"]["content"]
        text = "" if text is None else text
        if not isinstance(text, str):  # a list of parts
            text = "".join(part.get("text", "") for part in text)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise WriterError(
            f"{_address(writer)} answered 200 OK, but with no chat completion: "
            f"{_message(body) or 'an empty body'}. See whether the address is that of an "
            "OpenAI-compatible server (it mostly ends in /v1)."
        ) from error
    return text.rpartition("\n")[0] if choice.get("finish_reason") == "length" else text
