"""On-policy distillation: what the student itself writes, judged by the teacher.

Before each epoch but the first the student goes on from the self-written texts, behind the term's
first place in each, and the teacher, who has the definition before it, says how it would have gone
on. So the student is corrected where it errs, not where a teacher would have been. In the first
epoch it has met no term yet, and reads what the teacher wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from transformers import PreTrainedTokenizerBase

from lexigraft.corpus import Text
from lexigraft.generation import sample
from lexigraft.lexicon import Lexicon, find_term
from lexigraft.likelihood import encode
from lexigraft.processes import current
from lexigraft.training.lessons import Lesson
from lexigraft.training.trainable import Trainable

__all__ = ["RolloutKeeper", "Rollouts"]


@runtime_checkable
class RolloutKeeper(Protocol):
    """Where the student's texts go: a run that is resumed reads the same ones."""

    def load_rollouts(self, epoch: int) -> list[Text] | None:
        """The texts of an epoch; None where they have not been written yet."""
        ...

    def save_rollouts(self, epoch: int, texts: Sequence[Text]) -> None:
        """Keeps them."""
        ...


@dataclass(frozen=True)
class Rollouts:
    """The lessons that stand in the place of others in an epoch, by their index."""

    trainable: Trainable
    tokenizer: PreTrainedTokenizerBase
    """the one that spells the new words"""
    lexicon: Lexicon
    texts: Sequence[Text]
    """of all lessons, in their order"""
    teach: Callable[[Sequence[Text]], list[Lesson]]
    """lessons on the student's texts, by the untaught model"""
    keeper: RolloutKeeper
    seed: int

    def __call__(self, epoch: int) -> dict[int, Lesson]:
        """What the student has written at the beginning of `epoch`; nothing in the first."""
        if epoch == 0:
            return {}
        texts = current().lead(lambda: self.keeper.load_rollouts(epoch))
        if texts is None:
            texts = self._write(epoch)
            self.keeper.save_rollouts(epoch, texts)
        places = [i for i, text in enumerate(self.texts) if _continued(text)]
        with self.trainable.untaught():
            lessons = self.teach(texts)
        return dict(zip(places, lessons, strict=True))

    def _write(self, epoch: int) -> list[Text]:
        taken = [text for text in self.texts if _continued(text)]
        prompts = [self._beginning(text) for text in taken]
        longest = max((len(encode(self.tokenizer, t.text)) for t in taken), default=0)
        with self.trainable.speaking():
            lines = sample(
                self.trainable.model,
                self.tokenizer,
                prompts,
                max_new_tokens=max(1, longest),
                seed=self.seed + epoch,
            )
        return [self._rollout(*each) for each in zip(taken, prompts, lines, strict=True)]

    def _beginning(self, text: Text) -> str:
        """`text` up to the end of the term's first place in it."""
        found = find_term(text.text, self.lexicon[str(text.term)], self.lexicon.marker)
        return text.text[: found[0].end] if found else text.text

    def _rollout(self, text: Text, beginning: str, line: str) -> Text:
        """As many tokens as the text had, so that batches keep their size; itself for no line."""
        if not line.strip():
            return text
        size = len(encode(self.tokenizer, text.text))
        ids = encode(self.tokenizer, beginning + line)[:size]
        written = str(self.tokenizer.decode(ids)).removesuffix("\ufffd")
        # A decoder that does not give back what was encoded would spoil the term before its text.
        if not written.startswith(beginning):
            return text
        return text.model_copy(update={"text": written, "gain": None})


def _continued(text: Text) -> bool:
    return text.kind == "written" and text.term is not None
