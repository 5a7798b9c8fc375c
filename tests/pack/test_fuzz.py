"""Mangled packs thrown at `inspect` and `install`: none is taken wrongly, none crashes."""

from __future__ import annotations

import json
import logging
import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from lexigraft.errors import PackError, SpellingError
from lexigraft.host import load_host
from lexigraft.pack import installing
from lexigraft.pack.reading import pack_from_bytes
from lexigraft.pack.tensors import taught_alone
from lexigraft.pack.values import Pack

ROUTES = {"zorblax": "token", "velkin": "subword", "энтелехия": "marker"}

# What nobody can know to be wrong: there is no signature. None of it reaches a weight or a token.
SAID = {
    "manifest.created", "manifest.lexigraft", "manifest.licence", "manifest.author",
    "manifest.base.name", "manifest.base.revision", "manifest.base.dtype",
    "manifest.verification",
}  # fmt: skip
# What `inspect` must believe, and `install` finds out on the base.
FOUND_ON_THE_BASE = {
    "manifest.base", "spelling.new_tokens.pieces", "spelling.new_tokens.token",
    "spelling.new_tokens.mechanism", "spelling.new_tokens.id", "spelling.rows_before",
    "spelling.rows_after",
}  # fmt: skip
# A strength and a list of names: another pack, and as sound as this one.
OTHER_PACK = {"manifest.lora.alpha", "manifest.lora.target_modules"}


@dataclass
class Target:
    """A sound pack, and its base, loaded once."""

    data: bytes
    read: Pack
    base: Path


def everything(pack: Pack) -> dict[str, Any]:
    """All that a pack says, as one plain document."""
    return {
        "manifest": pack.manifest.model_dump(mode="json"),
        "lexicon": pack.lexicon.model_dump(mode="json"),
        "spelling": pack.spelling.model_dump(mode="json"),
        "verdict": pack.verdict.model_dump(mode="json"),
        "rows": [pack.input_rows.hex(), pack.output_rows.hex()],
        "lora": {n: [s.dtype, list(s.shape), bytes(s.data).hex()] for n, s in pack.lora.items()},
    }


def changed(left: Any, right: Any, path: str = "") -> set[str]:
    """The places in which two documents differ, list items under their list's name."""
    if isinstance(left, dict) and isinstance(right, dict) and left.keys() == right.keys():
        return set().union(
            *(changed(left[k], right[k], f"{path}.{k}" if path else k) for k in left)
        )
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        return set().union(*(changed(a, b, path) for a, b in zip(left, right, strict=True)))
    return set() if left == right and type(left) is type(right) else {path}


def allowed(places: set[str], *more: set[str]) -> bool:
    known = SAID.union(OTHER_PACK, {"verdict"}, *more)
    return all(any(p == k or p.startswith(f"{k}.") for k in known) for p in places)


def assert_sound(pack: Pack) -> None:
    """What holds of every pack, asked of it in other ways than the reader does."""
    for term in pack.lexicon:
        for form in term.surfaces:
            assert form.isprintable()
            assert "<|" not in form
            assert ".." not in form.split("/")
            assert not form.startswith(("/", "\\", "~/"))
    for text in (pack.manifest.author, pack.manifest.licence, pack.base.name):
        assert text is None or text.isprintable()
    taught = taught_alone(pack)
    tokens = len(pack.spelling.new_tokens)
    assert taught.new_ids == tuple(range(taught.new_ids[0], taught.new_ids[0] + tokens))
    tensors = [taught.input_rows, *taught.lora.values()]
    assert all(t is not None and bool(torch.isfinite(t).all()) for t in tensors)
    assert taught.input_rows is not None
    assert taught.input_rows.shape == (tokens, pack.base.hidden_size)
    assert math.isfinite(taught.alpha)
    json.dumps(everything(pack), allow_nan=False)


@pytest.fixture
def target(make_pack: Any, monkeypatch: pytest.MonkeyPatch) -> Target:
    path, run = make_pack("one", ROUTES)
    host = load_host(run.base)
    identity = installing.identity_of(host)
    # Loading and writing have tests of their own, and take a second each.
    monkeypatch.setattr(installing, "load_host", lambda *_, **__: host)
    monkeypatch.setattr(installing, "identity_of", lambda _: identity)
    monkeypatch.setattr(installing, "write_installed", lambda *_: None)
    data = path.read_bytes()
    return Target(data, pack_from_bytes(data, "one.lexpack"), run.base)


def throw(target: Target, mangled: bytes, folder: Path, *, blind: bool) -> tuple[bool, bool]:
    """Whether `inspect` and `install` took it. What they take must be right."""
    folder = folder / "thrown"
    folder.mkdir(exist_ok=True)
    path = folder / "mangled.lexpack"
    path.write_bytes(mangled)
    read, said = None, "nothing"
    try:
        read = pack_from_bytes(mangled, "mangled.lexpack")
    except PackError as error:
        said = str(error)
    installed = False
    try:
        installing.install(path, target.base, folder / "model", verify=False)
        installed = True
    except (PackError, SpellingError):
        assert not (folder / "model").exists()
    assert sorted(item.name for item in folder.iterdir()) == ["mangled.lexpack"]
    if read is None:
        assert 0 < len(said) < 2000
        assert not installed
        return False, False
    if blind:
        assert mangled == target.data
    assert_sound(read)
    places = changed(everything(target.read), everything(read))
    assert allowed(places, FOUND_ON_THE_BASE), places
    if installed:
        assert allowed(places), places
    return True, installed


@pytest.mark.parametrize(
    "count", [300, pytest.param(10_000, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_no_mangled_pack_is_taken(
    target: Target, tmp_path: Path, count: int, mangling: Any
) -> None:
    taken = {"blind": 0, "inspect": 0, "install": 0}
    for seed in range(count):
        chance = random.Random(seed)
        blind = seed % 3 == 0
        mangle = chance.choice(mangling.BLIND if blind else mangling.KNOWING)
        mangled = mangle(target.data, chance)
        try:
            read, installed = throw(target, mangled, tmp_path, blind=blind)
        except BaseException as error:
            error.add_note(f"seed {seed}, {mangle.__name__}")
            raise
        taken["blind"] += blind and read
        taken["inspect"] += read
        taken["install"] += installed
    logging.getLogger(__name__).info("of %d taken: %s", count, taken)
    # The fuzzer reaches what lies behind the digest: some edits do no harm, and are taken.
    assert taken["blind"] == 0
    assert 0 < taken["install"] <= taken["inspect"] < count / 4


def test_the_sound_pack_itself_is_taken(target: Target, tmp_path: Path, mangling: Any) -> None:
    assert throw(target, target.data, tmp_path, blind=True) == (True, True)
    again = mangling.apart(target.data).joined()
    assert throw(target, again, tmp_path, blind=False) == (True, True)


@pytest.mark.parametrize("seed", range(4))
def test_what_unpacks_to_too_much_is_refused(
    target: Target, tmp_path: Path, seed: int, mangling: Any
) -> None:
    mangled = mangling.bomb(target.data, random.Random(seed))
    assert len(mangled) < 1_000_000
    assert throw(target, mangled, tmp_path, blind=False) == (False, False)
