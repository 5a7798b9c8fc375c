"""Several packs on one base: one spelling, ids assigned afresh, rows at their new ids, one LoRA.

The rules, also in docs/lexpack.md:

- A form that two packs have (but for case and Unicode normalisation) belongs to the term of one of
  them; the other pack's term is left out whole. Which one is never guessed.
- All terms on the token route are spelled together on the untouched base. A row is looked up by its
  term and the text of its token, so ids of the packs' own spellings do not matter.
- LoRAs add up: W + Σ (alpha / rank) · B · A. As one LoRA that is the ranks one behind the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from lexigraft.errors import ExportError, LexiconError, PackError
from lexigraft.export.apply import lora_pairs
from lexigraft.host import Host
from lexigraft.lexicon import Language, Lexicon, check_against_tokenizer
from lexigraft.lexicon.validation import same
from lexigraft.likelihood import encode
from lexigraft.pack.tensors import rows_of, taught_alone
from lexigraft.pack.values import Pack
from lexigraft.spelling import NewToken, Spelling, prove, require_exact, spell
from lexigraft.spelling.plan import capitalised
from lexigraft.training.values import Taught

__all__ = [
    "Chosen",
    "Clash",
    "Composed",
    "clashes",
    "compose",
    "language_of",
    "without_losers",
]


@dataclass(frozen=True)
class Chosen:
    """A pack, and those of its terms that are not installed."""

    pack: Pack
    left_out: tuple[str, ...] = ()

    @property
    def lexicon(self) -> Lexicon:
        """The terms that are installed, without what they say of the others."""
        gone = set(self.left_out)
        kept = tuple(
            term.model_copy(
                update={"contrast": tuple(c for c in term.contrast if c.term not in gone)}
            )
            for term in self.pack.lexicon
            if term.term not in gone
        )
        return self.pack.lexicon.model_copy(update={"terms": kept})

    def without(self, terms: Iterable[str]) -> Chosen:
        """The same with these terms left out too, in the lexicon's order."""
        gone = {*self.left_out, *terms}
        return Chosen(self.pack, tuple(t.term for t in self.pack.lexicon if t.term in gone))


@dataclass(frozen=True)
class Clash:
    """A form that terms of two packs have."""

    form: str
    first: tuple[int, str]
    """Which pack, by its place, and which term of it."""
    second: tuple[int, str]


@dataclass(frozen=True)
class Composed:
    """What several packs come to on one base."""

    spelling: Spelling
    """Of all terms."""
    spellings: tuple[Spelling, ...]
    """Of each pack's terms, with the ids that they have now."""
    tokenizer: PreTrainedTokenizerBase
    taught: Taught


def language_of(chosen: Sequence[Chosen]) -> Language:
    """What all packs are written in; English where they are not of one mind."""
    found = {one.lexicon.language for one in chosen}
    return found.pop() if len(found) == 1 else "en"


# --- the same form twice ---


def clashes(chosen: Sequence[Chosen]) -> list[Clash]:
    """Every pair of terms of different packs that share a form, once, by the first such form."""
    owners: dict[str, tuple[int, str]] = {}
    found: dict[tuple[tuple[int, str], tuple[int, str]], Clash] = {}
    for number, one in enumerate(chosen):
        for term in one.lexicon:
            mine = (number, term.term)
            for form in term.surfaces:
                owner = owners.setdefault(same(form), mine)
                if owner[0] != number:
                    found.setdefault((owner, mine), Clash(form, owner, mine))
    return list(found.values())


def without_losers(chosen: Sequence[Chosen], preferred: Sequence[int]) -> list[Chosen]:
    """The packs with every clash decided for the pack that comes first in `preferred`.

    Raises:
        PackError: clashes that `preferred` does not decide, all of them, with both definitions.
    """
    left = list(chosen)
    while open_clashes := clashes(left):
        losers: dict[int, set[str]] = {}
        undecided = []
        for clash in open_clashes:
            both = [place for place in preferred if place in (clash.first[0], clash.second[0])]
            if not both:
                undecided.append(clash)
                continue
            loser = clash.second if clash.first[0] == both[0] else clash.first
            losers.setdefault(loser[0], set()).add(loser[1])
        if undecided:
            raise _undecided(chosen, undecided)
        left = [one.without(losers.get(place, ())) for place, one in enumerate(left)]
    return left


def _undecided(chosen: Sequence[Chosen], found: Sequence[Clash]) -> PackError:
    lines = [
        f"{len(found)} forms stand in two packs:" if len(found) > 1 else "A form is in two packs:"
    ]
    for clash in found[:20]:
        lines.append(f"  “{clash.form}”")
        for place, term in (clash.first, clash.second):
            pack = chosen[place].pack
            lines.append(f"    {pack.name}: {term}: {pack.lexicon[term].definition[0]}")
    one, other = (chosen[place].pack.name for place, _ in (found[0].first, found[0].second))
    lines.append(
        f"Say whose terms are to be installed: --prefer {one}, or --prefer {other}. The other "
        "pack's terms with these forms are left out."
    )
    return PackError("\n".join(lines))


# --- composing ---


def compose(host: Host, chosen: Sequence[Chosen]) -> Composed:
    """Spells the packs together on the untouched `host`, and puts rows and LoRA together.

    `host` is left as it is. The packs are for this base (`identity.require_base`) and no form
    stands in two of them.

    Raises:
        PackError: a pack that this tokenizer spells otherwise than the pack says, whose LoRA does
            not fit, or terms that cannot stand beside each other.
        SpellingError: the new tokens together are not exact.
    """
    alone = [_spelled_alone(host, one) for one in chosen]
    if len(chosen) == 1 and not chosen[0].left_out:
        spelling, tokenizer = alone[0]
    else:
        spelling, tokenizer = _spelled_together(host, chosen)
    _require_exact(host, chosen, spelling, tokenizer)
    spellings = tuple(_part(spelling, one) for one in chosen)
    for one, (own, reader), part in zip(chosen, alone, spellings, strict=True):
        _require_same_forms(one, own, reader, part, tokenizer)
    taught = _rows(chosen, spelling, spellings, _lora(host, chosen))
    return Composed(spelling, spellings, tokenizer, taught)


def _spelled_alone(host: Host, one: Chosen) -> tuple[Spelling, PreTrainedTokenizerBase]:
    """The whole pack as this base spells it; PackError unless that is what the pack says."""
    pack = one.pack
    try:
        check_against_tokenizer(pack.lexicon, host.tokenizer.all_special_tokens)
    except LexiconError as error:
        problems = "; ".join(problem.message for problem in error.problems[:3])
        raise PackError(f"{pack.name} is refused on this model: {problems}.") from error
    routes = {term.term: term.route for term in pack.spelling}
    spelling, tokenizer = spell(
        pack.lexicon, routes, host.tokenizer, host.facts.rows, model_type=host.facts.model_type
    )
    if spelling != pack.spelling:
        raise PackError(
            f"{pack.name} spells its terms otherwise than this model's tokenizer does. It is "
            f"damaged or made by hand, or lexigraft {pack.manifest.lexigraft} spelled them by "
            "other rules than this one: then pack the run anew."
        )
    return spelling, tokenizer


def _spelled_together(
    host: Host, chosen: Sequence[Chosen]
) -> tuple[Spelling, PreTrainedTokenizerBase]:
    """All terms; each keeps the surface that its own pack's marker gives it."""
    terms = [(one, term) for one in chosen for term in one.lexicon]
    spelled = tuple(one.pack.spelling[term.term] for one, term in terms)
    routes = {term.term: term.route for term in spelled}
    union = chosen[0].pack.lexicon.model_copy(update={"terms": tuple(term for _, term in terms)})
    spelling, tokenizer = spell(
        union, routes, host.tokenizer, host.facts.rows, model_type=host.facts.model_type
    )
    return spelling.model_copy(update={"terms": spelled}), tokenizer


def _require_exact(
    host: Host,
    chosen: Sequence[Chosen],
    spelling: Spelling,
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    if not spelling.new_tokens:
        return
    proof = prove(spelling, host.tokenizer, tokenizer, model_type=host.facts.model_type)
    # What the runs were allowed to change stays allowed.
    verdicts = [one.pack.verdict.spellings for one in chosen]
    allowed = {word for found in verdicts if found is not None for word in found.changed_words}
    changed = tuple(word for word in proof.changed_words if word not in allowed)
    proof = proof.model_copy(update={"changed_words": changed})
    require_exact(proof, "Install the packs apart, or leave one of them out.")


def _part(spelling: Spelling, one: Chosen) -> Spelling:
    names = {term.term for term in one.lexicon}
    return spelling.model_copy(
        update={
            "marker": one.pack.lexicon.marker,
            "terms": tuple(term for term in spelling.terms if term.term in names),
            "new_tokens": tuple(token for token in spelling.new_tokens if token.term in names),
        }
    )


def _require_same_forms(
    one: Chosen,
    own: Spelling,
    reader: PreTrainedTokenizerBase,
    part: Spelling,
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    """Each form is cut as it was when it was taught, but for the numbers of the new tokens.

    A token of another pack could stand inside a form that was taught by its pieces.
    """
    now = {(token.term, token.content): token.id for token in part.new_tokens}
    moved = {token.id: now.get((token.term, token.content), -1) for token in own.new_tokens}
    cut = []
    for term in part.terms:
        for form in dict.fromkeys((*term.forms, *map(capitalised, term.forms))):
            text = f"We saw {form}, and “{form}” again."
            if [moved.get(i, i) for i in encode(reader, text)] != encode(tokenizer, text):
                cut.append(form)
    if cut:
        listed = ", ".join(f"“{form}”" for form in cut[:8])
        raise PackError(
            f"{one.pack.name} taught {listed} by other tokens than the chosen terms together give "
            "it: a token of another term stands inside it, or did. Install these packs apart, or "
            "leave one of the terms out."
        )


# --- rows and LoRA ---


def _rows(
    chosen: Sequence[Chosen], spelling: Spelling, parts: Sequence[Spelling], taught: Taught
) -> Taught:
    """`taught` with every row at its new id."""
    if not spelling.new_tokens:
        return taught
    inputs: dict[int, Tensor] = {}
    outputs: dict[int, Tensor] = {}
    for one, part in zip(chosen, parts, strict=True):
        places = {(t.term, t.content): row for row, t in enumerate(one.pack.spelling.new_tokens)}
        left, right = rows_of(one.pack)
        for token in part.new_tokens:
            row = _row_of(token, places, one.pack)
            if left is not None:
                inputs[token.id] = left[row]
            if right is not None:
                outputs[token.id] = right[row]
    ids = spelling.new_ids
    return Taught(
        lora=taught.lora,
        rank=taught.rank,
        alpha=taught.alpha,
        target_modules=taught.target_modules,
        new_ids=ids,
        input_rows=torch.stack([inputs[i] for i in ids]),
        output_rows=torch.stack([outputs[i] for i in ids]) if outputs else None,
    )


def _row_of(token: NewToken, places: dict[tuple[str, str], int], pack: Pack) -> int:
    if (token.term, token.content) not in places:
        raise PackError(
            f"{pack.name} has no row for {token.content!r}, which these packs together need: a "
            "term of another pack had that form. Install the packs apart."
        )
    return places[token.term, token.content]


def _lora(host: Host, chosen: Sequence[Chosen]) -> Taught:
    """The LoRA of all packs as one, without rows."""
    found = [(one.pack, taught_alone(one.pack)) for one in chosen if one.pack.lora]
    for pack, taught in found:
        try:
            lora_pairs(host.model, taught)
        except ExportError as error:
            raise PackError(f"{pack.name} does not fit this model: {error}") from error
    if not found:
        return Taught()
    if len(found) == 1:
        one = found[0][1]
        return Taught(
            lora=one.lora, rank=one.rank, alpha=one.alpha, target_modules=one.target_modules
        )
    rank = sum(taught.rank for _, taught in found)
    names = sorted({name for _, taught in found for name in taught.lora if ".lora_A." in name})
    lora: dict[str, Tensor] = {}
    for name in names:
        up_name = name.replace(".lora_A.", ".lora_B.")
        downs, ups = [], []
        for _, taught in found:
            down, up = _halves(taught, name, up_name, [t.lora for _, t in found])
            downs.append(down)
            ups.append(up * (taught.alpha / taught.rank))
        lora[name], lora[up_name] = torch.cat(downs), torch.cat(ups, dim=1)
    modules = dict.fromkeys(m for _, taught in found for m in taught.target_modules)
    return Taught(lora=lora, rank=rank, alpha=float(rank), target_modules=tuple(modules))


def _halves(
    taught: Taught, name: str, up_name: str, all_of_them: Sequence[dict[str, Tensor]]
) -> tuple[Tensor, Tensor]:
    """A and B of one module; zeros of the right shape where this LoRA leaves the module alone."""
    if name in taught.lora:
        return taught.lora[name], taught.lora[up_name]
    like = next(lora for lora in all_of_them if name in lora)
    into, out = like[name].shape[1], like[up_name].shape[0]
    return torch.zeros(taught.rank, into), torch.zeros(out, taught.rank)
