"""push: what travels, to whom it is shown, and every reason not to send it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from lexigraft.errors import HubError, LexigraftError
from lexigraft.sharing import push

ADAPTER_FILES = ["README.md", "adapter_config.json", "adapter_model.safetensors", "tokenizer.json"]


def test_a_pack_is_sent_whole_and_private(hub: Any, pack: Path) -> None:
    found = push(pack, "me/words")
    assert (found.kind, found.private, found.url) == ("pack", True, f"{hub.url}/me/words")
    repository = hub.repositories["me/words"]
    assert repository.private
    assert repository.files == {"words.lexpack": pack.read_bytes()}
    assert hub.tokens == {"Bearer hf_secret", None}  # None: the upload itself has a signed address


def test_a_folder_is_sent_without_what_is_nobody_s_business(hub: Any, adapter: Path) -> None:
    found = push(adapter, "me/words", public=True)
    repository = hub.repositories["me/words"]
    assert not repository.private
    assert sorted(repository.files) == ADAPTER_FILES == [file.name for file in found.files]
    for file in found.files:
        assert repository.files[file.name] == (adapter / file.name).read_bytes()
        assert file.size == (adapter / file.name).stat().st_size
    assert ".cache/secret.json" in found.left_out
    assert "notes.docx" in found.left_out
    assert not any("passwd" in name for name in repository.files)


def test_a_dry_run_asks_nobody(hub: Any, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    found = push(adapter, "me/words", dry_run=True)
    assert hub.asked == []
    assert found.url is None
    assert found.private
    assert [file.name for file in found.files] == ADAPTER_FILES
    assert found.size == sum((adapter / name).stat().st_size for name in ADAPTER_FILES)


def test_a_served_folder_keeps_its_two_parts(hub: Any, adapter: Path, tmp_path: Path) -> None:
    folder = tmp_path / "served"
    (folder / "base").mkdir(parents=True)
    save_file({"w": torch.ones(2)}, folder / "base" / "model.safetensors")
    (folder / "base" / "config.json").write_text("{}")
    (folder / "adapter").mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (folder / "adapter" / name).write_bytes((adapter / name).read_bytes())
    assert push(folder, "me/served").kind == "served"
    assert "base/model.safetensors" in hub.repositories["me/served"].files


def test_no_token_is_told_before_anything_is_asked(
    hub: Any, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match=r"hf auth login(?s:.*)--dry-run"):
        push(pack, "me/words")
    assert hub.asked == []


def test_a_repository_with_files_is_kept_unless_asked(hub: Any, pack: Path) -> None:
    push(pack, "me/words")
    hub.repositories["me/words"].files["words.lexpack"] = b"older"
    with pytest.raises(HubError, match=r"holds files \(words.lexpack\)(?s:.*)--overwrite"):
        push(pack, "me/words")
    assert hub.repositories["me/words"].files["words.lexpack"] == b"older"
    push(pack, "me/words", overwrite=True)
    assert hub.repositories["me/words"].files["words.lexpack"] == pack.read_bytes()


@pytest.mark.parametrize(("private", "public"), [(False, False), (True, True)])
def test_nothing_becomes_more_public_than_was_asked(
    hub: Any, pack: Path, private: bool, public: bool
) -> None:
    push(pack, "me/words", public=not private)
    before = dict(hub.repositories["me/words"].files)
    with pytest.raises(HubError, match="--public"):
        push(pack, "me/words", public=public, overwrite=True)
    assert hub.repositories["me/words"].files == before


def test_no_network_is_told(hub: Any, pack: Path) -> None:
    hub.close()
    with pytest.raises(HubError, match="cannot be reached"):
        push(pack, "me/words")


@pytest.mark.parametrize(("status", "words"), [(401, "auth login"), (403, "may write")])
def test_a_wrong_token_is_told_and_never_shown(
    hub: Any, pack: Path, status: int, words: str
) -> None:
    hub.status = status
    with pytest.raises(HubError, match=words) as caught:
        push(pack, "me/words")
    assert "hf_secret" not in str(caught.value)


def test_offline_is_told(hub: Any, pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE"):
        push(pack, "me/words")


@pytest.mark.parametrize("name", ["words", "a/b/c", "../words", "me/..", "me/wor ds", "me/", "/me"])
def test_a_name_that_is_none(pack: Path, name: str) -> None:
    with pytest.raises(LexigraftError, match="OWNER/NAME"):
        push(pack, name, dry_run=True)


def as_run(folder: Path) -> None:
    (folder / "run.json").write_text("{}")


def with_pickle(folder: Path) -> None:
    (folder / "training_args.bin").write_bytes(b"x")


def damaged(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-3])


def no_weights(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()


@pytest.mark.parametrize(
    ("change", "words"),
    [(as_run, "is a run"), (with_pickle, "pickle"), (damaged, "damaged"), (no_weights, "holds no")],
)
def test_what_cannot_be_shared_is_refused(adapter: Path, change: Any, words: str) -> None:
    change(adapter)
    with pytest.raises(LexigraftError, match=words):
        push(adapter, "me/words", dry_run=True)


def test_a_file_that_is_no_pack_is_refused(tmp_path: Path, pack: Path) -> None:
    (tmp_path / "words.txt").write_text("x")
    (tmp_path / "bad.lexpack").write_text("x")
    save_file({"rows.input": torch.ones(3, 4)}, tmp_path / "other.lexpack")
    for name, words in (
        ("words.txt", "no pack"),
        ("bad.lexpack", "no safetensors file"),
        ("other.lexpack", "no lexicon pack"),
        ("none", "no file"),
    ):
        with pytest.raises(LexigraftError, match=words):
            push(tmp_path / name, "me/words", dry_run=True)


def test_a_base_on_this_machine_is_mentioned(adapter: Path, tmp_path: Path) -> None:
    config = {"peft_type": "LORA", "base_model_name_or_path": str(tmp_path)}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    (note,) = push(adapter, "me/words", dry_run=True).notes
    assert "path of this machine" in note


def test_the_real_command(hub: Any, pack: Path, tmp_path: Path) -> None:
    """In a process of its own, which finds the hub by HF_ENDPOINT."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": "hf_secret",
        "HF_HOME": str(tmp_path / "home"),
        "COLUMNS": "100",
    }

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lexigraft", *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    sent = call("push", pack, "--to", "me/words")
    assert sent.returncode == 0, sent.stderr
    assert "words.lexpack" in sent.stdout
    assert "only you" in sent.stdout
    assert hub.repositories["me/words"].files == {"words.lexpack": pack.read_bytes()}
    fetched = call("pull", "me/words", "--output", tmp_path / "got.lexpack")
    assert fetched.returncode == 0, fetched.stderr
    assert (tmp_path / "got.lexpack").read_bytes() == pack.read_bytes()
    assert "hf_secret" not in sent.stdout + sent.stderr + fetched.stdout + fetched.stderr
    again = call("pull", "me/words", "--output", tmp_path / "got.lexpack")
    assert (again.returncode, again.stdout) == (4, "")
    assert "is kept" in again.stderr
