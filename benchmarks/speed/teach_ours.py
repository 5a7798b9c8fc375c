"""Twelve terms taught by `lexigraft teach` with its defaults, and judged."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from shared import given, told

from lexigraft.checks.results import Verdict
from lexigraft.lexicon import dump_lexicon
from lexigraft.recipe import Recipe
from lexigraft.teach import teach

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "teaching"))
from cells import Cell
from run import lexicon_of


def main() -> None:
    """Measures, and tells."""
    route = given()["route"]
    lexicon = lexicon_of(Cell("english", 12, "subword", "ours", 0))
    folder = Path(tempfile.mkdtemp()) / "run"
    run = teach("smollm2-135m", lexicon, folder, recipe=Recipe(route=route))
    stages = {name: stage.seconds for name, stage in run.record.stages.items()}
    verdict = Verdict.model_validate(run.read_json(run.verdict))
    (folder / "given.yaml").write_text(dump_lexicon(lexicon), encoding="utf-8")
    told(
        {
            "run": str(folder),
            "seconds": sum(s for n, s in stages.items() if n in ("rows", "texts", "training")),
            "cloze": verdict.checks["cloze"].taught,
            "drift": verdict.drift.mean_kl if verdict.drift else None,
        }
    )


if __name__ == "__main__":
    main()
