"""A disk that fills while a run writes, and one that may only be read: both real, both small.

They are file systems in memory that only one process sees (a namespace of its own), so no right
is needed on most Linux systems; elsewhere these tests are skipped, and `test_disk`,
`test_workspace` and `test_teach` raise the same errors by hand.
"""

from __future__ import annotations

import logging
import random
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

LOG = logging.getLogger(__name__)
NOT_ALLOWED = 77
# Run in a process of its own: mounts a small file system at `place`, of which nobody else knows.
OWN_DISK = """
import ctypes, os, sys
from pathlib import Path
libc = ctypes.CDLL(None, use_errno=True)
NEW_MOUNTS, NEW_USERS, PRIVATE, REMOUNT, READ_ONLY = 0x20000, 0x10000000, 0x44000, 32, 1
def call(name, *given):
    if getattr(libc, name)(*given):
        raise OSError(ctypes.get_errno(), name)
def mount(options, flags=0):
    where = os.fsencode(place)
    call("mount", b"tmpfs", where, b"tmpfs", ctypes.c_ulong(flags), options.encode())
def lexigraft(*arguments):
    from lexigraft.cli import main
    sys.argv = ["lexigraft", *arguments]
    try:
        main()
    except SystemExit as stop:
        return stop.code or 0
    return 0
place = sys.argv.pop(1)
try:
    user, group = os.getuid(), os.getgid()
    call("unshare", NEW_MOUNTS | NEW_USERS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    call("mount", b"none", b"/", None, ctypes.c_ulong(PRIVATE), None)
    mount("size=64m")
except (AttributeError, OSError) as error:
    print(error)
    sys.exit(77)
"""
FILLED = """
import shutil
small, kept = sys.argv[1:3]
arguments = sys.argv[3:]
run = Path(arguments[arguments.index("--output") + 1])
mount(f"size={small}", REMOUNT)
code = lexigraft(*arguments)
left = [str(path) for path in run.rglob("*") if "partial" in path.name or "aside" in path.name]
print(f"exit {code}, stages {(run / 'run.json').is_file()}, left {left}", flush=True)
mount("size=64m", REMOUNT)
if run.is_dir():
    shutil.copytree(run, Path(kept) / "before")
code = lexigraft(*arguments, "--resume")
shutil.copytree(run, Path(kept) / "run")
sys.exit(code)
"""
READ_ONLY = """
import shutil
source, arguments = sys.argv[1], sys.argv[2:]
shutil.copytree(source, place, dirs_exist_ok=True)
mount("size=64m", REMOUNT | READ_ONLY)
os.chdir(place)
sys.exit(lexigraft(*arguments))
"""
# The disk of temporary files has not a page left.
NO_TEMPORARY = """
import tempfile
tempfile.tempdir = place
mount("size=4096", REMOUNT)
Path(place, "filler").write_bytes(bytes(4096))
sys.exit(lexigraft(*sys.argv[1:]))
"""
# Files may not grow beyond some bytes, as on a FAT stick or under `ulimit -f`.
LIMITED = """
import resource, sys
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
from lexigraft.cli import main
main()
"""


def on_own_disk(nursery: Any, code: str, *arguments: object) -> tuple[int, str]:
    done, said = nursery.run(*arguments, code=OWN_DISK + code)
    if done == NOT_ALLOWED:
        pytest.skip(f"no file system of one's own here: {said}")
    return done, said


@pytest.mark.parametrize(
    "count", [1, pytest.param(40, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_a_disk_that_fills_is_told_and_the_run_goes_on(
    nursery: Any, small: Any, tmp_path: Path, count: int
) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    needed = sum(path.stat().st_size for path in small.whole.rglob("*"))
    hit = Counter[str]()
    for number in range(count):
        size = int(needed * (number + random.Random(number).random()) / count)
        kept = tmp_path / f"kept-{number}"
        kept.mkdir()
        arguments = small.teach(place / "run")
        code, said = on_own_disk(nursery, FILLED, place, max(size, 4096), kept, *arguments)
        assert code == 0, said
        assert re.search(r"exit 4, stages \w+, left \[\]", said), said
        assert re.search(r"is full(?s:.*)--resume", said), said
        assert "Traceback" not in said
        small.require_same(kept / "run")
        hit[small.stage_of(kept / "before")] += 1
        shutil.rmtree(kept)
    LOG.info("%d full disks, in the stages %s", count, dict(hit))
    assert len(hit) > count / 10


def test_a_full_disk_of_temporary_files_is_told_and_the_run_goes_on(
    nursery: Any, small: Any, tmp_path: Path
) -> None:
    place, run = tmp_path / "disk", tmp_path / "run"
    place.mkdir()
    code, said = on_own_disk(nursery, NO_TEMPORARY, place, *small.teach(run))
    assert code == 4, said
    assert f"The disk of {place} is full" in said
    code, said = nursery.run(*small.teach(run, "--resume"))
    assert code == 0, said
    small.require_same(run)


@pytest.mark.parametrize(
    "limit", [3_000, *(pytest.param(n, marks=pytest.mark.slow) for n in (20_000, 40_000))]
)
def test_a_file_that_may_not_grow_is_told_and_the_run_goes_on(
    nursery: Any, small: Any, tmp_path: Path, limit: int
) -> None:
    pytest.importorskip("resource")
    run = tmp_path / "run"
    code, said = nursery.run(limit, *small.teach(run), code=LIMITED)
    assert code == 4, said
    assert re.search(r"large(?s:.*)--resume", said), said
    assert not [path for path in run.rglob("*") if "partial" in path.name]
    code, said = nursery.run(*small.teach(run, "--resume"))
    assert code == 0, said
    small.require_same(run)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("teach {words} --model {host} --recipe {recipe} --output {disk}/new", "cannot be written"),
        ("teach {words} --model {host} --recipe {recipe} --output {disk} --resume", "cannot be w"),
        ("teach {words} --model {host} --recipe {recipe} --output {disk} --force", "cannot be w"),
        ("verify {disk}", "cannot be written"),
        ("report {disk}", "cannot be written"),
        ("export {disk} --to adapter --output {disk}/out", "cannot be written"),
        ("new {disk}/words.yaml", "Read-only|cannot be written"),
        ("retokenize {text} --lexicon {words} --model {host} --output {disk}/ids", "cannot be w"),
    ],
    ids=lambda text: text.split()[0] if text[0].islower() and " --" in text else None,
)
def test_what_would_write_to_a_read_only_disk_says_so(
    nursery: Any, small: Any, tmp_path: Path, command: str, expected: str
) -> None:
    code, said = read_only(nursery, small, tmp_path, command)
    assert code in (2, 4), said
    assert re.search(expected, said), said
    assert "Traceback" not in said
    assert len(said.strip().splitlines()) < 8


@pytest.mark.parametrize(
    "command", ["verify {disk} --checks definition", "diagnose {words} --model {disk}"]
)
def test_what_writes_nothing_works_on_a_read_only_disk(
    nursery: Any, small: Any, tmp_path: Path, command: str
) -> None:
    code, said = read_only(nursery, small, tmp_path, command)
    assert code == 0, said


def read_only(nursery: Any, small: Any, tmp_path: Path, command: str) -> tuple[int, str]:
    """The command's code and words, with the finished run on a disk that may only be read."""
    place = tmp_path / "disk"
    place.mkdir()
    text = tmp_path / "text.txt"
    text.write_text("A zorblax stands on the hill.\n", encoding="utf-8")
    names = {
        "text": text,
        "words": small.folder / "words.yaml",
        "recipe": small.folder / "recipe.yaml",
        "host": small.host,
        "disk": place,
    }
    arguments = command.format(**names).split()
    return on_own_disk(nursery, READ_ONLY, place, small.whole, *arguments)
