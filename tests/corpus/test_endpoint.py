"""Asking over real connections: shape, order, errors, patience, keys, what is kept."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from lexigraft.corpus.asking import Request
from lexigraft.corpus.endpoint import KEYS, Writer, ask_all, writer_at
from lexigraft.errors import WriterError

SECRET = "sk-very-secret-key"


def requests(count: int) -> list[Request]:
    return [Request("t", ({"role": "user", "content": f"{n}"},)) for n in range(count)]


def content(asked: Any) -> str:
    return str(asked.body["messages"][0]["content"])


class Kept:
    """Keeps what comes, as a run's folder does."""

    def __init__(self) -> None:
        self.answers: dict[str, list[str]] = {}
        self.threads: set[threading.Thread] = set()

    def __call__(self, key: str, sentences: list[str]) -> None:
        self.answers[key] = sentences
        self.threads.add(threading.current_thread())


def ask(writer: Writer, count: int, kept: Kept | None = None, **more: Any) -> list[list[str]]:
    kept = kept or Kept()
    read = more.pop("read", lambda request, text: [text] if text else [])
    return ask_all(writer, requests(count), dict(kept.answers), read, kept, **more)


def quick(url: str, **more: Any) -> Writer:
    return Writer(url, **{"model": "big", "pause": 0.01, "timeout": 5.0, **more})


def test_the_request_has_the_shape_that_every_server_knows(writer_server: Any) -> None:
    writer_server.answer = lambda asked, number: "said"
    assert ask(quick(writer_server.url, key=SECRET), 1) == [["said"]]
    (asked,) = writer_server.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.body == {"model": "big", "messages": [{"role": "user", "content": "0"}]}
    assert asked.headers["Authorization"] == f"Bearer {SECRET}"
    assert asked.headers["Content-Type"] == "application/json"
    ask(quick(writer_server.url, model=None), 1)
    assert "model" not in writer_server.asked[1].body
    assert "Authorization" not in writer_server.asked[1].headers


def test_answers_stand_in_order_and_some_are_asked_at_once(writer_server: Any) -> None:
    together, most = [0], [0]

    def answer(asked: Any, number: int) -> str:
        together[0] += 1
        most[0] = max(most[0], together[0])
        time.sleep(0.05 if content(asked) == "0" else 0.02)
        together[0] -= 1
        return f"answer {content(asked)}"

    writer_server.answer = answer
    told: list[int] = []
    kept = Kept()
    found = ask(quick(writer_server.url), 9, kept, advance=told.append)
    assert found == [[f"answer {n}"] for n in range(9)]
    assert 1 < most[0] <= 4
    assert sum(told) == 9
    assert len(kept.answers) == 9
    assert kept.threads == {threading.current_thread()}, "the folder is written by one thread"


def test_kept_answers_are_not_asked_again(writer_server: Any) -> None:
    writer_server.answer = lambda asked, number: f"new {content(asked)}"
    kept = Kept()
    kept.answers[requests(3)[1].key("big")] = ["old 1"]
    told: list[int] = []
    found = ask(quick(writer_server.url), 3, kept, advance=told.append)
    assert found == [["new 0"], ["old 1"], ["new 2"]]
    assert len(writer_server.asked) == 2
    assert told[0] == 1
    assert sum(told) == 3
    # of another model, it is another answer
    ask(quick(writer_server.url, model="other"), 3, kept)
    assert len(writer_server.asked) == 5


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again(writer_server: Any, status: int) -> None:
    writer_server.answer = lambda asked, number: (status, "busy") if number < 3 else "said"
    assert ask(quick(writer_server.url), 1) == [["said"]]
    assert len(writer_server.asked) == 3


def test_the_server_may_say_how_long_to_wait(writer_server: Any) -> None:
    writer_server.extra = {"Retry-After": "0.3"}
    writer_server.answer = lambda asked, number: (429, "") if number == 1 else "said"
    began = time.monotonic()
    ask(quick(writer_server.url), 1)
    assert time.monotonic() - began >= 0.3


def test_what_does_not_pass_is_told_with_the_last_reason(writer_server: Any) -> None:
    body = '{"error": {"message": "Rate limit reached for big"}}'
    writer_server.answer = lambda asked, number: (429, body)
    with pytest.raises(WriterError) as caught:
        ask(quick(writer_server.url, attempts=3), 1)
    said = str(caught.value)
    assert f"{writer_server.url}/chat/completions failed 3 times" in said
    assert "429 Too Many Requests: Rate limit reached for big" in said
    assert "--resume" in said
    assert len(writer_server.asked) == 3


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "LEXIGRAFT_WRITER_KEY"),
        (403, "LEXIGRAFT_WRITER_KEY"),
        (404, "mostly ends in /v1"),
        (400, "See whether the server knows the model"),
        (307, "a redirect is not followed"),
    ],
)
def test_a_refusal_is_told_at_once(writer_server: Any, status: int, told: str) -> None:
    writer_server.extra = {"Location": f"http://{writer_server.host}/v1/elsewhere"}
    writer_server.answer = lambda asked, number: (status, '{"error": "no\\nno"}')
    with pytest.raises(WriterError) as caught:
        ask(quick(writer_server.url), 1)
    said = str(caught.value)
    assert f"{writer_server.url}/chat/completions answered {status} " in said
    assert told in said
    assert "no no" in said
    assert len(writer_server.asked) == 1


def test_without_a_model_one_is_asked_for(writer_server: Any) -> None:
    writer_server.answer = lambda asked, number: (400, '{"detail": "model is required"}')
    with pytest.raises(WriterError, match="--writer-model"):
        ask(quick(writer_server.url, model=None), 1)


def test_a_failure_keeps_what_was_answered(writer_server: Any) -> None:
    refused = threading.Event()

    def answer(asked: Any, number: int) -> str | tuple[int, str]:
        if content(asked) == "3":
            refused.set()
            return 401, ""
        # long enough for the client to hear the refusal first
        refused.wait(10)
        time.sleep(0.5)
        return f"answer {content(asked)}"

    writer_server.answer = answer
    kept = Kept()
    with pytest.raises(WriterError, match=r"[0-3] of 40 answers are kept"):
        ask(quick(writer_server.url), 40, kept)
    first = len(writer_server.asked)
    assert len(kept.answers) == first - 1 <= 3, "those on the way are awaited, no others asked"
    writer_server.answer = lambda asked, number: f"answer {content(asked)}"
    assert ask(quick(writer_server.url), 40, kept) == [[f"answer {n}"] for n in range(40)]
    assert len(writer_server.asked) == first + 40 - (first - 1)


def test_a_slow_answer_is_given_up_and_asked_for_again(writer_server: Any) -> None:
    def answer(asked: Any, number: int) -> str:
        time.sleep(3.0 if number == 1 else 0)
        return "said"

    writer_server.answer = answer
    assert ask(quick(writer_server.url, timeout=1.5), 1) == [["said"]]
    assert len(writer_server.asked) == 2
    writer_server.answer = lambda asked, number: str(time.sleep(0.6))
    with pytest.raises(WriterError, match=r"failed 2 times; .* no answer within 0\.2 seconds"):
        ask(quick(writer_server.url, timeout=0.2, attempts=2), 1)


def test_an_answer_that_breaks_off_is_asked_for_again(writer_server: Any) -> None:
    writer_server.extra = {}
    writer_server.answer = lambda asked, number: "said"
    writer_server.extra = {"Content-Length": "100000", "Connection": "close"}
    with pytest.raises(WriterError, match=r"failed 2 times; .* connection broke"):
        ask(quick(writer_server.url, attempts=2, timeout=2.0), 1)


def test_a_server_that_is_not_there(writer_server: Any) -> None:
    writer_server.close()
    with pytest.raises(WriterError, match=r"cannot be reached .*refused"):
        ask(quick(writer_server.url), 2)


@pytest.mark.parametrize(
    "body",
    [b"<html>Welcome to nginx</html>", b"", b"[1]", b'{"choices": []}', b"\xff\xfe", b"null"],
)
def test_an_answer_that_is_no_completion(writer_server: Any, body: bytes) -> None:
    writer_server.answer = lambda asked, number: body
    with pytest.raises(WriterError) as caught:
        ask(quick(writer_server.url), 1)
    assert "answered 200 OK, but with no chat completion" in str(caught.value)
    assert len(writer_server.asked) == 1


def test_an_answer_without_a_sentence_is_asked_for_again_and_not_kept(writer_server: Any) -> None:
    writer_server.answer = lambda asked, number: "garbage" if number < 3 else "said"
    read = lambda request, text: [text] if text == "said" else []  # noqa: E731
    kept = Kept()
    assert ask(quick(writer_server.url), 1, kept, read=read) == [["said"]]
    writer_server.answer = lambda asked, number: "garbage"
    kept = Kept()
    assert ask(quick(writer_server.url), 2, kept, read=read) == [[], []]
    assert kept.answers == {}
    assert len(writer_server.asked) == 3 + 2 * 3


def test_parts_and_cut_answers(writer_server: Any) -> None:
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    writer_server.answer = lambda asked, number: {"message": {"content": parts}}
    assert ask(quick(writer_server.url), 1) == [["one two"]]
    cut = {"message": {"content": "whole\nbroken of"}, "finish_reason": "length"}
    writer_server.answer = lambda asked, number: cut
    assert ask(quick(writer_server.url), 1) == [["whole"]]


def test_the_key_comes_from_the_environment_and_is_shown_nowhere(
    writer_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert writer_at(writer_server.url).key is None
    monkeypatch.setenv(KEYS[1], "second-secret")
    assert writer_at(writer_server.url).key == "second-secret"
    monkeypatch.setenv(KEYS[0], f" {SECRET}\n")
    writer = writer_at(writer_server.url + "/", "big")
    assert writer.key == SECRET
    assert writer.url == writer_server.url
    assert SECRET not in repr(writer)
    writer_server.answer = lambda asked, number: (401, f"Incorrect key: {SECRET}.")
    with pytest.raises(WriterError, match=r"Incorrect key: \[key\]") as caught:
        ask(writer, 1)
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in str(error)
        error = error.__cause__
    writer_server.answer = lambda asked, number: f"Your key is {SECRET}"
    assert ask(writer, 1) == [["Your key is [key]"]]


@pytest.mark.parametrize("key", ["secret\nkey-with-break", "секрет-ключ"])
def test_a_key_that_no_header_can_carry(writer_server: Any, key: str) -> None:
    with pytest.raises(WriterError, match="LEXIGRAFT_WRITER_KEY") as caught:
        ask(quick(writer_server.url, key=key), 1)
    error: BaseException | None = caught.value
    while error is not None:
        assert key not in str(error)
        assert repr(key) not in str(error)
        error = error.__cause__
