"""Reading a pack: as documented, without torch, and strictly."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from lexigraft.errors import PackError
from lexigraft.pack.format import joined_planes, planes
from lexigraft.pack.reading import pack_from_bytes, read_pack

ROOT = Path(__file__).resolve().parents[2]
ROUTES = {"zorblax": "token", "velkin": "subword", "энтелехия": "marker"}


def test_the_documented_reader_reads_it(make_pack: Any) -> None:
    path, run = make_pack("one", ROUTES, host="byte-untied")
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "lexpack.md").read_text("utf-8"),
                         re.DOTALL)  # fmt: skip
    names: dict[str, Any] = {}
    exec(code, names)
    parts = names["read"](path)
    read = read_pack(path)
    assert parts["manifest"] == read.manifest.model_dump(mode="json")
    assert [term["term"] for term in parts["lexicon"]["terms"]] == list(ROUTES)
    assert parts["spelling"] == read.spelling.model_dump(mode="json")
    assert parts["verdict"]["lexicon_digest"] == run.lexicon.digest()
    assert parts["rows.input"] == run.taught.input_rows.numpy().tobytes() == read.input_rows
    assert parts["rows.output"] == run.taught.output_rows.numpy().tobytes()
    for name, weight in run.taught.lora.items():
        assert parts[f"lora.{name}"] == weight.numpy().tobytes()


def test_the_document_names_every_part() -> None:
    from lexigraft.pack.values import BaseIdentity, LoraShape, Manifest, RowsShape, Verification

    text = (ROOT / "docs" / "lexpack.md").read_text("utf-8")
    for kind in (Manifest, BaseIdentity, RowsShape, LoraShape, Verification):
        for name in kind.model_fields:
            assert f"`{name}`" in text, name


def test_plain_safetensors_reads_it(make_pack: Any) -> None:
    path, run = make_pack("one", ROUTES)
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["format"] == "lexpack"
        name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
        assert file.get_tensor(f"lora.{name}").equal(run.taught.lora[name])


def test_inspect_needs_no_torch(make_pack: Any) -> None:
    path, _ = make_pack("one", ROUTES)
    code = (
        "import sys; from lexigraft.cli import app; "
        "app(['inspect', sys.argv[1], '--json'], standalone_mode=False); "
        "print(sorted({'torch', 'transformers', 'peft'} & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert json.loads(done.stdout)["terms"][0]["term"] == "zorblax"


def test_planes_and_back() -> None:
    data = bytes(range(24))
    for item in (1, 2, 4):
        assert joined_planes(planes(data, item), item) == data
    assert planes(b"\x01\x02\x03\x04", 2) == b"\x01\x03\x02\x04"


# --- what is no pack ---


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no safetensors file"),
        (b"PK\x03\x04" + b"x" * 90, "a zip archive"),
        (b"GGUF" + b"x" * 90, "a GGUF file"),
        (b"\x80\x04" + b"\xff" * 90, "a pickle"),
        (struct.pack("<Q", 2**63) + b"{}" * 9, "no safetensors file"),
        (struct.pack("<Q", 16) + b"not json at all!", "no JSON object"),
        (struct.pack("<Q", 8) + b'{"a":1} ', "no lexicon pack"),
    ],
)
def test_another_file_is_told(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "x.lexpack"
    path.write_bytes(data)
    with pytest.raises(PackError, match=why):
        read_pack(path)


def test_a_model_a_folder_and_nothing_are_told(bases: Any, tmp_path: Path) -> None:
    with pytest.raises(PackError, match="no lexicon pack"):
        read_pack(bases["byte-tied"] / "model.safetensors")
    with pytest.raises(PackError, match="is a folder"):
        read_pack(tmp_path)
    with pytest.raises(PackError, match="does not exist"):
        read_pack(tmp_path / "none.lexpack")


def test_a_header_that_claims_too_much_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.lexpack"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 2**33) + b"{")
        file.truncate(2**34)  # takes no space on the disk
    with pytest.raises(PackError, match="header of 8589934592 bytes"):
        read_pack(path)


# --- what a digest cannot tell ---

Edit = Callable[[Any], None]


def manifest(**changes: Any) -> Edit:
    def edit(parts: Any) -> None:
        parts.manifest |= changes

    return edit


def base(**changes: Any) -> Edit:
    def edit(parts: Any) -> None:
        parts.manifest["base"] |= changes

    return edit


def metadata(**changes: str) -> Edit:
    def edit(parts: Any) -> None:
        parts.metadata |= changes

    return edit


def renamed(new: str) -> Edit:
    """The first term gets another name, wherever it stands, digests and all."""

    def edit(parts: Any) -> None:
        from lexigraft.lexicon import lexicon_from_text

        text = json.dumps(parts.documents, ensure_ascii=False)
        inner = json.dumps(new, ensure_ascii=False)[1:-1]
        capital = json.dumps(new[:1].title() + new[1:], ensure_ascii=False)[1:-1]
        text = text.replace("zorblax", inner).replace("Zorblax", capital)
        parts.documents = json.loads(text)
        try:
            lexicon = lexicon_from_text(json.dumps(parts.documents["lexicon"]), "x", "yaml")
        except Exception:
            return
        parts.documents["verdict"]["lexicon_digest"] = lexicon.digest()

    return edit


def document(name: str, change: Callable[[Any], None]) -> Edit:
    return lambda parts: change(parts.documents[name])


def tensor(name: str, change: Callable[[Any], Any]) -> Edit:
    def edit(parts: Any) -> None:
        parts.tensors[name] = change(parts.tensors[name])

    return edit


LORA = "lora.base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
REFUSED: dict[str, tuple[Edit, str]] = {
    "an unknown version": (metadata(version="2"), "version '2', and this lexigraft reads 1"),
    "other metadata": (metadata(more="x"), "metadata"),
    "an unknown key": (manifest(code="x"), "'code' wrong"),
    "a missing part": (manifest(base=None), "'base' wrong"),
    "a type that is bent": (base(hidden_size="16"), "hidden_size"),
    "a huge size": (base(hidden_size=2**40), "hidden_size"),
    "another width": (base(hidden_size=17), "do not fit the base"),
    "other ties": (base(tied=False), "do not fit the base"),
    "a base that is a path": (base(name="../../etc"), "is a path"),
    "a base at an absolute place": (base(name="C:\\models"), "is a path"),
    "an author with a control character": (manifest(author="a\x1b[2J"), "U\\+001B"),
    "a date that is none": (manifest(created="<script>"), "date"),
    "an author shown as another": (manifest(author="A\u202egnp"), "reorders"),
    "a licence that is a book": (manifest(licence="x" * 201), "201 characters"),
    "a module with odd signs": (
        lambda parts: parts.manifest["lora"].update(target_modules=["../q_proj"]),
        "names no module",
    ),
    "a name above": (renamed("../../x"), "is a path"),
    "an absolute name": (renamed("/etc/passwd"), "is a path"),
    "a home": (renamed("~/x"), "is a path"),
    "a special token": (renamed("<|im_end|>"), "chat markup"),
    "a control character": (renamed("zor\x07blax"), "control character"),
    "a line break": (renamed("zor\nblax"), "line break|problems"),
    "a lone surrogate": (renamed("zor\ud800"), "lexicon"),
    "a term that is there twice": (renamed("velkin"), "stands in the lexicon already"),
    "another definition": (
        document("lexicon", lambda d: d["terms"][0].update(definition="a lie")),
        "about another lexicon",
    ),
    "forms to be guessed": (
        document("lexicon", lambda d: d["terms"][0].update(forms="auto")),
        "does not list its forms",
    ),
    "another route": (
        document("spelling", lambda d: d["terms"][0].update(route="subword")),
        "the forms of|other terms",
    ),
    "another surface": (
        document("spelling", lambda d: d["terms"][1].update(surface="the")),
        "the term 'velkin'",
    ),
    "a token for an old word": (
        document("spelling", lambda d: d["new_tokens"][0].update(content=" the")),
        "' the' is none",
    ),
    "a token over an old row": (
        document("spelling", lambda d: d["new_tokens"][0].update(id=5)),
        "ids that follow",
    ),
    "a token lost": (document("spelling", lambda d: d["new_tokens"].pop()), "number of rows"),
    "a verdict on other terms": (
        document("verdict", lambda d: d["terms"].pop()),
        "about other terms",
    ),
    "a verdict on no model": (document("verdict", lambda d: d.update(taught=None)), "no taught"),
    "rows that are missing": (lambda parts: parts.tensors.pop("rows.input"), "are missing"),
    "rows that are no zlib": (
        tensor("rows.input", lambda t: ("U8", [5], b"12345")),
        "no zlib stream",
    ),
    "a LoRA without its other half": (lambda parts: parts.tensors.pop(LORA), "no other half"),
    "a LoRA of another rank": (
        tensor(LORA, lambda t: ("F32", [1, 16], t[2][:64])),
        "not of its rank",
    ),
    "a LoRA on a path": (
        lambda parts: parts.tensors.update({"lora.../../x": parts.tensors[LORA]}),
        "PEFT does not write",
    ),
    "a LoRA that is not finite": (
        tensor(LORA, lambda t: (*t[:2], b"\x00\x00\x80\x7f" + t[2][4:])),
        "not finite",
    ),
    "whole weights": (
        lambda parts: parts.tensors.update({"weights.x": parts.tensors[LORA]}),
        "what no pack has",
    ),
    "a LoRA that is not spoken of": (manifest(lora=None), "not spoken of"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_right_digest_hides_is_refused(make_pack: Any, what: str, mangling: Any) -> None:
    path, _ = make_pack("one", ROUTES)
    edit, why = REFUSED[what]
    parts = mangling.apart(path.read_bytes())
    edit(parts)
    with pytest.raises(PackError, match=why):
        pack_from_bytes(parts.joined(), "x.lexpack")


def test_rows_that_are_not_finite_are_refused_in_every_type(
    make_pack: Any, base_in: Any, mangling: Any
) -> None:
    import zlib

    import torch

    odd = {torch.float16: b"\x00\x7c", torch.bfloat16: b"\xc0\x7f", torch.float32: b"\0\0\x80\xff"}
    for dtype, number in odd.items():
        path, _ = make_pack("one", ROUTES, host=base_in("byte-tied", dtype))
        parts = mangling.apart(path.read_bytes())
        rows = joined_planes(zlib.decompress(parts.tensors["rows.input"][2]), len(number))
        stream = zlib.compress(planes(number + rows[len(number) :], len(number)))
        parts.tensors["rows.input"] = ("U8", [len(stream)], stream)
        with pytest.raises(PackError, match="not finite"):
            pack_from_bytes(parts.joined(), "x.lexpack")


def test_any_byte_that_is_changed_is_noticed(make_pack: Any) -> None:
    path, _ = make_pack("one", {"zorblax": "token"})
    data = path.read_bytes()
    for place in range(0, len(data), max(1, len(data) // 200)):
        mangled = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(PackError):
            pack_from_bytes(mangled, "x.lexpack")
    with pytest.raises(PackError, match="cut short"):
        pack_from_bytes(data[:-1], "x.lexpack")
    with pytest.raises(PackError, match="behind its end"):
        pack_from_bytes(data + b"x", "x.lexpack")
