"""pull: what is fetched, what never is, and that nothing stands there half."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from lexigraft.errors import HubError, LexigraftError, RunError
from lexigraft.sharing import pull, push


@pytest.fixture
def there(hub: Any, adapter: Path) -> Any:
    """The repository me/words, with an adapter and with what is never fetched."""
    push(adapter, "me/words")
    repository = hub.repositories["me/words"]
    repository.files |= {".gitattributes": b"", "modeling.py": b"boom()", "old.bin": b"pickle"}
    return repository


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_an_adapter_comes_back_as_it_went(there: Any, adapter: Path, tmp_path: Path) -> None:
    place = tmp_path / "deep" / "got"
    found = pull("me/words", place)
    assert (found.kind, found.path) == ("adapter", str(place))
    assert names(place) == [file.name for file in found.files]
    for file in found.files:
        assert (place / file.name).read_bytes() == (adapter / file.name).read_bytes()
    assert found.left_out == ("modeling.py", "old.bin")
    assert [item.name for item in place.parent.iterdir()] == ["got"]


def test_a_pack_is_a_file_or_stands_in_a_folder(hub: Any, pack: Path, tmp_path: Path) -> None:
    push(pack, "me/pack")
    pull("me/pack", tmp_path / "one.lexpack")
    assert (tmp_path / "one.lexpack").read_bytes() == pack.read_bytes()
    pull("me/pack", tmp_path / "folder")
    assert names(tmp_path / "folder") == ["words.lexpack"]


def test_an_empty_folder_is_filled(there: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "tokenizer.json" in [file.name for file in pull("me/words", tmp_path / "empty").files]


def test_what_is_there_is_kept_and_the_hub_not_asked(hub: Any, there: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.docx").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    hub.asked.clear()
    for place in ("mine", "mine/thesis.docx", "link"):
        with pytest.raises(RunError, match="is kept"):
            pull("me/words", tmp_path / place)
    assert hub.asked == []
    assert names(tmp_path / "mine") == ["thesis.docx"]


def test_a_repository_of_pickles_is_refused(there: Any, tmp_path: Path) -> None:
    del there.files["adapter_model.safetensors"]
    with pytest.raises(HubError, match=r"pickles \(old.bin\)"):
        pull("me/words", tmp_path / "got")
    assert not (tmp_path / "got").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../evil.json",
        "a/../../evil.json",
        "/evil.json",
        "a\\evil.json",
        "C:evil.json",
        "a//b",
        "a\nb",
    ],
)
def test_a_name_that_leads_elsewhere_refuses_it_all(there: Any, tmp_path: Path, name: str) -> None:
    there.files[name] = b"{}"
    with pytest.raises(HubError, match="outside"):
        pull("me/words", tmp_path / "in" / "got")
    assert list(tmp_path.rglob("evil*")) == []
    assert not (tmp_path / "in" / "got").exists()


@pytest.mark.parametrize("name", ["README.MD", "a b.json", "-x.json", ".hidden.json", "ünï.json"])
def test_odd_names_harm_nothing(there: Any, tmp_path: Path, name: str) -> None:
    there.files[name] = b"{}"
    if name == "README.MD":
        with pytest.raises(HubError, match="case alone"):
            pull("me/words", tmp_path / "got")
        return
    found = pull("me/words", tmp_path / "got")
    assert (name in found.left_out) == (name != "ünï.json")


def test_a_file_that_did_not_arrive_whole_is_refused(there: Any, tmp_path: Path) -> None:
    for told in ({"size": 7}, {"sha256": hashlib.sha256(b"other").hexdigest()}):
        there.told["adapter_model.safetensors"] = told
        with pytest.raises(HubError, match="did not arrive"):
            pull("me/words", tmp_path / "got")
    assert not (tmp_path / "got").exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json"])
def test_a_file_that_is_not_what_its_name_says_is_refused(
    there: Any, tmp_path: Path, name: str
) -> None:
    there.files[name] = b"\x80\x04pickle"
    with pytest.raises(HubError, match=f"bad file: {name}"):
        pull("me/words", tmp_path / "got")
    assert not (tmp_path / "got").exists()


def test_what_only_calls_itself_a_pack_is_refused(hub: Any, pack: Path, tmp_path: Path) -> None:
    push(pack, "me/pack")
    whole = hub.repositories["me/pack"].files["words.lexpack"]
    for bad in (whole[:-9], save({"rows.input": torch.ones(3, 4)})):
        hub.repositories["me/pack"].files["words.lexpack"] = bad
        with pytest.raises(HubError, match="bad file"):
            pull("me/pack", tmp_path / "got.lexpack")
        assert not (tmp_path / "got.lexpack").exists()


def test_nothing_of_that_name_or_revision(there: Any, tmp_path: Path) -> None:
    for name, revision, words in (
        ("me/none", None, "shows no me/none"),
        ("me/words", "v9", "no such revision"),
    ):
        with pytest.raises(HubError, match=words):
            pull(name, tmp_path / "got", revision=revision)
    with pytest.raises(LexigraftError, match="OWNER/NAME"):
        pull("words", tmp_path / "got")


def test_a_checkpoint_is_no_pack(there: Any, tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"fits got.lexpack"):
        pull("me/words", tmp_path / "got.lexpack")


def test_no_network_is_told(hub: Any, there: Any, tmp_path: Path) -> None:
    hub.close()
    with pytest.raises(HubError, match="cannot be reached"):
        pull("me/words", tmp_path / "got")


def test_a_full_disk_is_told_before_anything_is_fetched(
    there: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lexigraft import disk

    monkeypatch.setattr(disk, "free_bytes", lambda folder: 10)
    with pytest.raises(RunError, match="full"):
        pull("me/words", tmp_path / "got")
