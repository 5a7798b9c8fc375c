"""Loads what was written as anybody would, and compares. It runs alone: `python plain.py JOB`.

Nothing of lexigraft is imported here, and in a process of its own nothing of it can be:
transformers and PEFT have to make the same of the files as a machine that never saw lexigraft.
What is to be found stands in JOB, a JSON file that `fresh.py` writes; each line on stdout is a JSON
object: `{"step": 1}` for a text that was compared, `{"wrong": "…"}` for a difference,
`{"done": true}` at the end.
"""

from __future__ import annotations

import hashlib
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

__all__ = ["check", "difference", "digest", "generation_settings", "next_tokens"]

Tell = Callable[[dict[str, Any]], None]
_TYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def check(job: dict[str, Any], tell: Tell) -> None:
    """Compares what the folders of `job` hold with what it expects; every difference is told."""
    torch.set_num_threads(job["threads"])
    tokenizer = AutoTokenizer.from_pretrained(job["tokenizer"], local_files_only=True)
    for wrong in _of_tokenizer(job, tokenizer):
        tell({"wrong": wrong})
    model, found = _loaded(job)
    for wrong in (*found, *_of_tensors(job)):
        tell({"wrong": wrong})
    logits = load_file(job["logits"])
    for name in sorted(logits, key=int):
        for wrong in _of_logits(job, model, int(name), logits[name]):
            tell({"wrong": wrong})
        tell({"step": 1})
    for prompt, ids, text in job["continued"]:
        for wrong in _of_continuation(job, model, tokenizer, prompt, ids, text):
            tell({"wrong": wrong})
        tell({"step": 1})
    tell({"done": True})


def _of_tokenizer(job: dict[str, Any], tokenizer: Any) -> Iterator[str]:
    for text, kept in zip(job["texts"], job["ids"], strict=True):
        found = tokenizer([text]).input_ids[0]
        if list(found) != kept:
            yield f"{text[:60]!r} became the ids {list(found[:12])} and was {kept[:12]}"
            break
    # Servers leave special tokens out of their answers.
    hidden = [i for i in job["visible"] if not tokenizer.decode([i], skip_special_tokens=True)]
    if hidden:
        yield f"the tokens {hidden[:5]} are hidden: they decode to nothing"
    for name, kept in job["settings"].items():
        if getattr(tokenizer, name) != kept:
            yield f"it has another {name.replace('_', ' ')}"


def _loaded(job: dict[str, Any]) -> tuple[Any, list[str]]:
    """The model in float32, and what is wrong with its checkpoint and loading."""
    options = dict(job["options"])
    if "gguf_file" not in options:
        options["use_safetensors"] = True
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        job["model"],
        dtype=torch.float32,
        output_loading_info=True,
        local_files_only=True,
        **options,
    )
    model, info = loaded
    odd = sorted({*map(str, info["missing_keys"]), *map(str, info["unexpected_keys"])})
    wrong = [f"weights do not match the model ({', '.join(odd[:3])})"] if odd else []
    if job["checkpoint"] is not None:
        wrong += _of_checkpoint(job, model.eval())
    if job["rows"] is not None:
        model.resize_token_embeddings(job["rows"], mean_resizing=False)
    if job["adapter"] is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, job["adapter"])
    return model.eval(), wrong


def _of_checkpoint(job: dict[str, Any], model: Any) -> Iterator[str]:
    wanted, config = job["checkpoint"], model.config.get_text_config()
    dtype = getattr(torch, wanted["dtype"])
    inputs, head = model.get_input_embeddings().weight, model.get_output_embeddings()
    tied = head is not None and head.weight.data_ptr() == inputs.data_ptr()
    said = json.loads((Path(job["model"]) / "config.json").read_text(encoding="utf-8"))
    found = {
        f"it names the type {said.get('dtype')}": said.get("dtype") == wanted["dtype"],
        "its embeddings have other ties": tied == wanted["tied"],
        "its config says other ties": bool(config.tie_word_embeddings) == wanted["tied"],
        "it has another vocab_size": config.vocab_size == len(inputs) == wanted["rows"],
        "it has another generation config": generation_settings(model) == wanted["generation"],
    }
    yield from (name for name, right in found.items() if not right)
    state = model.state_dict()
    kept = wanted["digests"]
    changed = [n for n in kept if n not in state or digest(state[n], dtype) != kept[n]]
    if changed or len(state) != len(kept):
        yield f"it has other weights ({', '.join(changed[:3])})"


def _of_tensors(job: dict[str, Any]) -> Iterator[str]:
    """The tensors of single files, by their digests, and the type of every file's numbers."""
    for path, kept in job["tensors"].items():
        state = load_file(path)
        changed = sorted(
            {n for n, v in state.items() if digest(v) != kept.get(n)} ^ (kept.keys() - state.keys())
        )
        if changed:
            yield f"{Path(path).name} holds other tensors ({', '.join(changed[:3])})"
    for path, dtype in job["types"].items():
        with safe_open(path, framework="pt") as file:
            types = {str(file.get_slice(name).get_dtype()) for name in file.keys()}  # noqa: SIM118
        if odd := [name for name in types if _TYPES.get(name, dtype) != dtype]:
            yield f"{Path(path).name} stores {', '.join(odd)} and not {dtype}"


def _of_logits(job: dict[str, Any], model: Any, place: int, wanted: Tensor) -> Iterator[str]:
    ids = job["ids"][place][: len(wanted)]
    with torch.inference_mode():
        found = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].float()
    error = difference(wanted, found)
    # `not <=`: what is not a number is never within a tolerance.
    if not error <= job["tolerance"]:
        text = job["texts"][place][:60]
        yield (
            f"logits for {text!r} differ by {error:.3g} of their size, and "
            f"{job['tolerance']:g} is allowed"
        )


def _of_continuation(
    job: dict[str, Any], model: Any, tokenizer: Any, prompt: list[int], ids: list[int], text: str
) -> Iterator[str]:
    found = next_tokens(model, prompt, job["most"]).sequences[0, len(prompt) :].tolist()
    said = tokenizer.decode(found[: len(ids)], skip_special_tokens=True)
    if found[: len(ids)] != ids or said != text:
        yield f"it goes on with {said!r} and not with {text!r}"


def next_tokens(model: Any, ids: list[int], most: int) -> Any:
    """What `generate` gives greedily after `ids`, with the model's own generation config."""
    given = torch.tensor([ids], device=model.device)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about settings that only sampling reads
        return model.generate(
            input_ids=given,
            attention_mask=torch.ones_like(given),
            do_sample=False,
            num_beams=1,
            max_new_tokens=most,
            return_dict_in_generate=True,
            output_scores=True,
        )


def generation_settings(model: Any) -> dict[str, Any]:
    """What was set for `generate`, without what every version writes anew."""
    values: dict[str, Any] = json.loads(json.dumps(model.generation_config.to_diff_dict()))
    return {
        k: v for k, v in values.items() if k not in ("transformers_version", "_from_model_config")
    }


def difference(wanted: Tensor, found: Tensor, typical: bool = False) -> float:
    """0 for bit-identical logits; else the largest or the typical difference over their size.

    Their size is the root mean square about the mean of each position.
    """
    if wanted.shape != found.shape:
        return float("inf")
    if torch.equal(wanted, found):
        return 0.0
    size = (wanted - wanted.mean(dim=-1, keepdim=True)).pow(2).mean().sqrt()
    gaps = (wanted - found).abs()
    return float((gaps.pow(2).mean().sqrt() if typical else gaps.max()) / size)


def digest(value: Tensor, dtype: torch.dtype | None = None) -> str:
    """SHA-256 of a tensor's bytes, of numbers as `dtype` holds them."""
    if dtype is not None and value.is_floating_point():
        value = value.to(dtype)
    plain = value.detach().cpu().contiguous().view(-1).view(torch.uint8)
    return hashlib.sha256(plain.numpy().data).hexdigest()


def main() -> None:
    """The process of its own."""
    sys.modules["lexigraft"] = None  # type: ignore[assignment]
    warnings.simplefilter("ignore")

    def tell(event: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()

    check(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), tell)


if __name__ == "__main__":
    main()
