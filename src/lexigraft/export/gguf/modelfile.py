"""A Modelfile, by which Ollama takes the file up."""

from __future__ import annotations

from transformers import PreTrainedModel

__all__ = ["modelfile"]

# What Ollama calls the settings of generation_config.json.
_PARAMETERS = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
}


def modelfile(name: str, model: PreTrainedModel, *, chat: bool) -> str:
    """The text of a Modelfile for the file `name`, which lies beside it.

    Ollama takes tokens and the chat template from the GGUF itself. Settings for generation are
    those of the model, where it has some.
    """
    settings = model.generation_config
    lines = [f"# ollama create NAME -f Modelfile, in this folder\nFROM ./{name}"]
    if not chat:
        # Without it Ollama would look for a template and find none that this model was trained on.
        lines.append('TEMPLATE """{{ .Prompt }}"""')
    for own, theirs in _PARAMETERS.items():
        value = getattr(settings, own, None)
        if isinstance(value, int | float) and not isinstance(value, bool):
            lines.append(f"PARAMETER {theirs} {value:g}")
    return "\n".join(lines) + "\n"
