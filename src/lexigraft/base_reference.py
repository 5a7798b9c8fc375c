"""The model that was taught, as others find it again: the kind of its name, and how it loads."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

__all__ = ["EMBEDDED_NAME", "BaseReference", "peft_lines", "reference_to"]

EMBEDDED_NAME = "smollm2-135m"
"""The embedded base, as `--model` takes it."""
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@dataclass(frozen=True)
class BaseReference:
    """A base: as it was given, its revision, and what kind of name that is."""

    given: str
    revision: str | None
    kind: Literal["hub", "embedded", "gguf", "folder"]

    @property
    def public(self) -> str:
        """A name fit for a card that leaves this machine: of a local path only the last part."""
        if self.kind in ("hub", "embedded"):
            return self.given
        return PurePath(self.given.replace("\\", "/")).name or self.given

    @property
    def place(self) -> str:
        """What `from_pretrained` takes: of a run its merged model; else as given."""
        # A name from a damaged record may be no path at all.
        with suppress(OSError, ValueError, RuntimeError):
            if self.kind == "folder" and (Path(self.given).expanduser() / "run.json").is_file():
                return str(PurePath(self.given) / "model")
        return self.given

    def imports(self) -> list[str]:
        """Lines that `argument` needs before it, beside those of transformers."""
        if self.kind == "embedded":
            return ["", "from lexigraft.embedded import embedded_base"]
        return []

    def argument(self, start: Path | None = None) -> str:
        """What stands between the brackets of `from_pretrained`.

        A relative path is as given, or with `start` as it is from that folder.
        """
        if self.kind == "embedded":
            return "embedded_base()"
        if self.kind == "hub":
            revision = f", revision={self.revision!r}" if self.revision else ""
            return f"{self.given!r}{revision}"
        place = self.place
        if start is not None and not Path(place).expanduser().is_absolute():
            place = PurePath(os.path.relpath(Path(place).absolute(), start.absolute())).as_posix()
        if self.kind == "gguf":
            path = PurePath(place)
            return f"{str(path.parent)!r}, gguf_file={path.name!r}"
        return repr(place)


def reference_to(given: str, revision: str | None) -> BaseReference:
    """What kind of name `given` is. A folder that is there comes first, as for every command."""
    # Its weights are those of no hub repository, so only our own cache has them.
    if given == EMBEDDED_NAME:
        return BaseReference(given, revision, "embedded")
    if given.endswith(".gguf"):
        return BaseReference(given, revision, "gguf")
    hub = _HUB_ID.fullmatch(given) and given.count("/") == 1 and not Path(given).is_dir()
    return BaseReference(given, revision, "hub" if hub else "folder")


def peft_lines(
    base: BaseReference,
    rows: int | None,
    *,
    adapter: str,
    tokenizer: str,
    start: Path | None = None,
) -> str:
    """Python that puts the adapter in folder `adapter` on `base`, with PEFT.

    Args:
        base: the untouched base.
        rows: how many rows its embedding matrix is given first, for PEFT refuses rows that are not
            there; None where it has enough.
        adapter: as `PeftModel.from_pretrained` takes it.
        tokenizer: the folder with the tokenizer that knows the new tokens.
        start: the folder in which the lines are run, where that is not the present one.
    """
    lines = ["from peft import PeftModel"]
    lines.append("from transformers import AutoModelForCausalLM, AutoTokenizer")
    lines += [*base.imports(), ""]
    lines.append(f"base = AutoModelForCausalLM.from_pretrained({base.argument(start)})")
    if rows is not None:
        lines.append(f"base.resize_token_embeddings({rows}, mean_resizing=False)")
    lines.append(f"model = PeftModel.from_pretrained(base, {adapter!r})")
    lines.append(f"tokenizer = AutoTokenizer.from_pretrained({tokenizer!r})")
    return "\n".join(lines) + "\n"
