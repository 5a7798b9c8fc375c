"""A hub on this machine: as much of its endpoint as the hub's own client asks for."""

from __future__ import annotations

import base64
import hashlib
import http.server
import importlib.util
import json
import shutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import torch
from safetensors.torch import save_file

import lexigraft

SHA = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Repository:
    """One repository: its files as they are, and as the hub says that they are."""

    private: bool = True
    files: dict[str, bytes] = field(default_factory=dict)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Over what is true of a file: `size`, `sha256`."""


class Hub:
    """The stub: repositories by name, and every request that came."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.tokens: set[str | None] = set()
        self.status = 200
        """What every request gets, where that is not 200."""
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            do_POST = do_PUT = do_HEAD = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, request: Any) -> None:
        path = unquote(urlsplit(request.path).path)
        self.asked.append(f"{request.command} {path}")
        self.tokens.add(request.headers.get("Authorization"))
        body = _body(request)
        if self.status != 200:
            return self._send(request, self.status, b"{}")
        for prefix, answer in (
            ("/api/repos/create", self._create),
            ("/api/validate-yaml", lambda *_: self._json({"errors": [], "warnings": []})),
            ("/api/models/", self._model),
            ("/blobs/", self._blob),
            ("/", self._file),
        ):
            if path.startswith(prefix):
                return self._send(request, *answer(path.removeprefix(prefix), body))
        return None

    def _send(
        self, request: Any, status: int, data: bytes, headers: dict[str, str] | None = None
    ) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(data)

    def _json(self, value: Any, status: int = 200) -> tuple[int, bytes]:
        return status, json.dumps(value).encode()

    def _create(self, _: str, body: bytes) -> tuple[int, bytes]:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        self.repositories[name] = Repository(private=asked.get("visibility") == "private")
        return self._json({"url": f"{self.url}/{name}", "id": name})

    def _model(self, path: str, body: bytes) -> Any:
        parts = path.split("/")
        name, rest = "/".join(parts[:2]), parts[2:]
        repository = self.repositories.get(name)
        if repository is None:
            return 404, b"{}", {"X-Error-Code": "RepoNotFound"}
        if rest[:1] == ["preupload"]:
            files = [
                {"path": f["path"], "uploadMode": _mode(f["path"]), "shouldIgnore": False}
                for f in json.loads(body)["files"]
            ]
            return self._json({"files": files})
        if rest[:1] == ["commit"]:
            self._commit(repository, body)
            return self._json(
                {"success": True, "commitOid": SHA, "commitUrl": f"{self.url}/{name}/commit/{SHA}"}
            )
        if rest[:1] == ["revision"] and rest[1] not in ("main", SHA):
            return 404, b"{}", {"X-Error-Code": "RevisionNotFound"}
        siblings = [self._sibling(repository, n, data) for n, data in repository.files.items()]
        return self._json(
            {"id": name, "sha": SHA, "private": repository.private, "siblings": siblings}
        )

    def _sibling(self, repository: Repository, name: str, data: bytes) -> dict[str, Any]:
        told = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        told |= repository.told.get(name, {})
        entry: dict[str, Any] = {"rfilename": name, "size": told["size"], "blobId": "b"}
        if _mode(name) == "lfs":
            entry["lfs"] = {"size": told["size"], "sha256": told["sha256"], "pointerSize": 100}
        return entry

    def _commit(self, repository: Repository, body: bytes) -> None:
        for line in body.decode().splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                repository.files[value["path"]] = self.blobs[value["oid"]]

    def _blob(self, oid: str, body: bytes) -> tuple[int, bytes]:
        self.blobs[oid] = body
        return 200, b""

    def _file(self, path: str, body: bytes) -> Any:
        if path.endswith(".git/info/lfs/objects/batch"):
            objects = [
                {**o, "actions": {"upload": {"href": f"{self.url}/blobs/{o['oid']}"}}}
                for o in json.loads(body)["objects"]
            ]
            return self._json({"transfer": "basic", "objects": objects})
        name, _, rest = path.partition("/resolve/")
        repository = self.repositories.get(name)
        file = rest.partition("/")[2]
        if repository is None or file not in repository.files:
            return 404, b"", {"X-Error-Code": "EntryNotFound"}
        data = repository.files[file]
        etag = hashlib.sha256(data).hexdigest()
        return 200, data, {"X-Repo-Commit": SHA, "ETag": f'"{etag}"'}


def _body(request: Any) -> bytes:
    """What was sent: of a known length, or in chunks, as uploads are."""
    if request.headers.get("Transfer-Encoding") != "chunked":
        return bytes(request.rfile.read(int(request.headers.get("Content-Length") or 0)))
    body = b""
    while size := int(request.rfile.readline(), 16):
        body += request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()
    return body


def _mode(name: str) -> str:
    return "lfs" if name.endswith((".safetensors", ".lexpack")) else "regular"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub at a loopback address, a token for it, and a client that may ask."""
    from huggingface_hub import constants

    stub = Hub()
    monkeypatch.setattr(constants, "ENDPOINT", stub.url)
    template = stub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    yield stub
    stub.close()


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory, tiny_folders: dict[str, Path]) -> Path:
    """A pack of a run on a tiny host, made as the tests of packs make theirs."""
    place = Path(__file__).parents[1] / "pack" / "conftest.py"
    spec = importlib.util.spec_from_file_location("runs_to_pack", place)
    assert spec is not None
    assert spec.loader is not None
    runs = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = runs  # its dataclasses look themselves up there
    spec.loader.exec_module(runs)
    folder = tmp_path_factory.mktemp("packed")
    base = tiny_folders["byte-tied"]
    run = runs.finished_run(folder / "run", base, "words", {"zorblax": "token"})
    return lexigraft.pack(run.folder, folder / "words.lexpack")


@pytest.fixture
def pack(tmp_path: Path, packed: Path) -> Path:
    """A pack of the test's own."""
    return Path(shutil.copy(packed, tmp_path))


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A folder with an adapter, and with what is nobody's business."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    save_file({"a": torch.ones(2, 2)}, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "base_model_name_or_path": "somebody/base"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "README.md").write_text("---\nlibrary_name: peft\n---\n# Words\n")
    (folder / "tokenizer.json").write_text("{}")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "secret.json").write_text("{}")
    (folder / "notes.docx").write_text("mine")
    (folder / "passwd.txt").symlink_to("/etc/passwd")
    return folder
