"""The Modelfile: what Ollama is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lexigraft.export.gguf.modelfile import modelfile


def test_settings_of_the_model_are_kept(family: Callable[..., Any]) -> None:
    model = family("llama").model
    model.generation_config.update(do_sample=True, temperature=0.6, repetition_penalty=1.1)
    lines = modelfile("model-Q8_0.gguf", model, chat=True).splitlines()
    assert lines[1:] == [
        "FROM ./model-Q8_0.gguf",
        "PARAMETER temperature 0.6",
        "PARAMETER repeat_penalty 1.1",
    ]


def test_without_a_chat_template_the_prompt_is_given_as_it_is(family: Callable[..., Any]) -> None:
    assert 'TEMPLATE """{{ .Prompt }}"""' in modelfile("m.gguf", family("llama").model, chat=False)
    assert "TEMPLATE" not in modelfile("m.gguf", family("llama").model, chat=True)
