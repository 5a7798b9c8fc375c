"""How a host sees each term, and the route that fits it, with reasons.

`diagnose` takes names and loads; `diagnose_terms` takes objects. Both only look: nothing is
written, and the tokenizer and model are left as they are. No torch at import, so that whatever
reads a stored diagnosis stays light.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexigraft.diagnose.probe import probe_term
from lexigraft.diagnose.sentences import byte_count, say, say_change, truths
from lexigraft.diagnose.values import (
    Diagnosis,
    FirstValues,
    FormPieces,
    ModelFacts,
    Probe,
    Seen,
    TermDiagnosis,
)
from lexigraft.errors import SpellingError
from lexigraft.lexicon.schema import Language, Lexicon, Route, Term
from lexigraft.lexicon.validation import SpecialTokens
from lexigraft.spelling.byte_bpe import old_pieces
from lexigraft.spelling.document import (
    document_of,
    is_byte_level,
    is_part_of_character,
    readable,
    unknown_id,
)
from lexigraft.spelling.spell import spell
from lexigraft.spelling.values import NewToken, Spelling

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from lexigraft.host import Host, HostFacts

__all__ = ["diagnose", "diagnose_terms"]


def diagnose(
    lexicon: Lexicon,
    model: str | Path,
    revision: str | None = None,
    *,
    route: Route | None = None,
    adapter_rank: int | None = None,
    adapter_layers: float = 1.0,
    probe: bool = True,
) -> Diagnosis:
    """Looks at every term with the model's eyes.

    Args:
        lexicon: terms, with languages and forms resolved.
        model: a folder, a hub id, a GGUF file or the embedded base's name; a folder that holds
            only a tokenizer is enough, and then nothing is said about weights.
        revision: of a hub id.
        route: for every term, over what the lexicon says; None lets lexicon and auto decide.
        adapter_rank: LoRA rank, for the bytes of subword and marker terms.
        adapter_layers: share of the layers that have a LoRA.
        probe: ask the model whether it knows each term (needs weights; about a second a term).

    Raises:
        ModelError: no such model, or a damaged one.
    """
    from lexigraft.host import load_host, load_tokenizer
    from lexigraft.model_source import resolve_model

    if _holds_only_tokenizer(resolve_model(model)):
        tokenizer, facts = load_tokenizer(model, revision=revision)
        return diagnose_terms(lexicon, tokenizer, facts, None, route=route)
    host = load_host(model, revision=revision)
    return diagnose_terms(
        lexicon,
        host.tokenizer,
        host.facts,
        host,
        route=route,
        adapter_rank=adapter_rank,
        adapter_layers=adapter_layers,
        probe=probe,
    )


def _holds_only_tokenizer(place: Path | str) -> bool:
    weights = ("*.safetensors", "*.bin", "*.safetensors.index.json", "*.pt", "*.pth")
    folder = Path(place)
    return folder.is_dir() and not any(any(folder.glob(pattern)) for pattern in weights)


def diagnose_terms(
    lexicon: Lexicon,
    tokenizer: PreTrainedTokenizerBase,
    facts: HostFacts,
    host: Host | None = None,
    *,
    route: Route | None = None,
    adapter_rank: int | None = None,
    adapter_layers: float = 1.0,
    probe: bool = True,
    on_term: Callable[[str], None] | None = None,
) -> Diagnosis:
    """`diagnose` on objects. `on_term` is called with each term when it has been looked at."""
    document = document_of(tokenizer)
    # As it would be, were all that is left to auto to become tokens.
    tried: dict[str, Route] = {t.term: route or t.route or "token" for t in lexicon}
    trial, error = _spelling(lexicon, tried, tokenizer, facts)
    forms = dict.fromkeys(space + f for t in lexicon for f in t.surfaces for space in ("", " "))
    eyes = _Eyes(
        tokenizer,
        byte_level=is_byte_level(document),
        unknown=unknown_id(document),
        ids=old_pieces(document, list(forms)),
        special=SpecialTokens(tokenizer.all_special_tokens),
        exact=_exact_terms(trial, facts),
    )
    looks = []
    for term in lexicon:
        looks.append(_look(term, lexicon, eyes, host if probe else None, route))
        if on_term is not None:
            on_term(term.term)
    routes = {look.term: look.route for look in looks}
    spelling = trial
    if routes != tried:
        spelling, error = _spelling(lexicon, routes, tokenizer, facts)
    adapter = None if host is None else _adapter_bytes(host.model, adapter_rank, adapter_layers)
    sharing = len(routes)
    share = None if adapter is None or not sharing else -(-adapter // sharing)
    finished = [
        _with_changes(look, lexicon, spelling, facts, sharing, share, error) for look in looks
    ]
    fields = set(ModelFacts.model_fields)
    model = ModelFacts.model_validate(facts.model_dump(include=fields))
    said = truths(
        lexicon.language,
        family=facts.family,
        vocabulary=facts.vocabulary,
        rows=facts.rows,
        spare_rows=facts.spare_rows,
        tied=facts.tied,
    )
    return Diagnosis(language=lexicon.language, model=model, truths=said, terms=tuple(finished))


@dataclass(frozen=True)
class _Eyes:
    """The tokenizer, with what must be asked of it only once."""

    tokenizer: PreTrainedTokenizerBase
    byte_level: bool
    unknown: int | None
    ids: Mapping[str, tuple[int, ...]]
    """Of every form, bare and after a space, as it stands inside a text."""
    special: SpecialTokens
    exact: frozenset[str]
    """Terms that can become tokens of their own and be read back as they were written."""


def _look(
    term: Term,
    lexicon: Lexicon,
    eyes: _Eyes,
    host: Host | None,
    override: Route | None,
) -> TermDiagnosis:
    """Pieces, probe and route of one term; what the route changes is filled in afterwards."""
    tokenizer = eyes.tokenizer
    pieces = tuple(
        _pieces(form, spaced, eyes) for form in term.surfaces for spaced in (False, True)
    )
    seen = _seen(term, pieces, eyes)
    found = None if host is None else probe_term(term, term.language, host.model, tokenizer)
    given = override or term.route
    exact = term.term in eyes.exact
    route, reasons = _auto(term, lexicon, seen, pieces, found, exact=exact)
    if given is not None:
        route, reasons = given, [say("given", lexicon.language, route=given)]
    surface = lexicon.marker.wrap(term.term) if route == "marker" else term.term
    special = eyes.special
    if clashes := [f"{form}: {why}" for form in term.surfaces if (why := special.clash(form))]:
        reasons.append(say("special", lexicon.language, forms=", ".join(clashes)))
    if rewritten := _rewritten(term, tokenizer):
        reasons.append(say("rewritten", lexicon.language, forms=", ".join(rewritten)))
    return TermDiagnosis(
        term=term.term,
        surface=surface,
        pieces=pieces,
        seen=seen,
        probe=found,
        route=route,
        chosen=given is None,
        reasons=tuple(reasons),
        changes=(),
        tokens_saved=len(_usual(term, pieces).ids) - 1,
        first_values=_first_values(term, seen, found),
    )


def _first_values(term: Term, seen: Seen, probe: Probe | None) -> FirstValues | None:
    """What a row of its own would best start from."""
    if seen == "one token":
        return None
    if probe is not None and probe.verdict == "known":
        return "distilled"
    if term.like:
        return "like"
    return "pieces" if seen == "pieces" else "similar"


def _pieces(form: str, spaced: bool, eyes: _Eyes) -> FormPieces:
    ids = eyes.ids[f" {form}" if spaced else form]
    tokens = tuple(eyes.tokenizer.convert_ids_to_tokens(list(ids)))
    return FormPieces(form=form, spaced=spaced, ids=ids, tokens=tokens, readable=readable(tokens))


def _rewritten(term: Term, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Forms that the normaliser changes, spaces aside ('Å' of one kind → 'Å' of the other)."""
    normalizer = tokenizer.backend_tokenizer.normalizer
    if normalizer is None:
        return []
    marks = str.maketrans("", "", " \u2581")
    return [
        f"{form} → {normalizer.normalize_str(form).translate(marks)}"
        for form in term.surfaces
        if normalizer.normalize_str(form).translate(marks) != form.translate(marks)
    ]


def _seen(term: Term, pieces: tuple[FormPieces, ...], eyes: _Eyes) -> Seen:
    """How the dictionary form is seen where it usually stands, after a space."""
    usual = _usual(term, pieces)
    if eyes.unknown is not None and eyes.unknown in usual.ids:
        return "unknown"
    if len(usual.ids) == 1:
        return "one token"
    parts = (is_part_of_character(t, byte_level=eyes.byte_level) for t in usual.tokens)
    return "bytes" if any(parts) else "pieces"


def _usual(term: Term, pieces: tuple[FormPieces, ...]) -> FormPieces:
    return next(p for p in pieces if p.form == term.term and p.spaced)


def _auto(
    term: Term,
    lexicon: Lexicon,
    seen: Seen,
    pieces: tuple[FormPieces, ...],
    probe: Probe | None,
    *,
    exact: bool,
) -> tuple[Route, list[str]]:
    """The route that fits, and why.

    In this order: a concept, or a word with an old sense to keep → marker; a new word → token,
    which in benchmarks/teaching was learned as well as on its pieces (cloze in pairs 0.79 and
    0.80), better in near terms and use, and leaked less; where the tokenizer cannot take it as one
    exactly → subword, but for what is no text to it otherwise.
    """
    language = lexicon.language
    count = len(_usual(term, pieces).ids)
    values = {"count": count, "marker": lexicon.marker.wrap(term.term)}
    known = probe is not None and probe.verdict == "known"
    rules: tuple[tuple[bool, str, Route], ...] = (
        (term.kind == "concept", "concept", "marker"),
        (seen == "one token", "one token", "marker"),
        (known, "known", "marker"),
        (seen == "unknown", "unknown", "token"),
        (seen == "bytes", "bytes", "token"),
        (term.kind == "symbol", "symbol", "token"),
        (exact, "own row", "token"),
        (True, "pieces", "subword"),
    )
    key, route = next((key, route) for applies, key, route in rules if applies)
    reasons = [say(key, language, **values)]
    if probe is not None and probe.verdict == "maybe known" and route != "marker":
        reasons.append(say("maybe known", language))
    return route, reasons


def _exact_terms(trial: Spelling | None, facts: HostFacts) -> frozenset[str]:
    """Terms that the token route spells exactly."""
    tokens: dict[str, list[NewToken]] = {}
    for token in () if trial is None else trial.new_tokens:
        tokens.setdefault(token.term, []).append(token)
    return frozenset(term for term, some in tokens.items() if _is_exact(some, facts))


def _is_exact(tokens: Sequence[NewToken], facts: HostFacts) -> bool:
    """Whether there are new tokens, and none leaves the space before it as a token of its own."""
    lone = facts.family != "WordPiece" and any(t.mechanism == "added" for t in tokens)
    return bool(tokens) and not lone


def _spelling(
    lexicon: Lexicon,
    routes: Mapping[str, Route],
    tokenizer: PreTrainedTokenizerBase,
    facts: HostFacts,
) -> tuple[Spelling | None, str]:
    """The spelling that these routes would give; None and the reason where there is none."""
    try:
        made, _ = spell(lexicon, routes, tokenizer, facts.rows, model_type=facts.model_type)
        return made, ""
    except SpellingError as error:
        return None, str(error)


def _with_changes(
    look: TermDiagnosis,
    lexicon: Lexicon,
    spelling: Spelling | None,
    facts: HostFacts,
    sharing: int,
    share: int | None,
    error: str,
) -> TermDiagnosis:
    """The same diagnosis with what its route changes, in words and bytes."""
    language = lexicon.language
    if look.route != "token":
        changes = [say_change("adapter", language, terms=sharing)]
        if look.route == "marker":
            changes.append(say_change("marked", language, surface=look.surface))
        update = {"changes": tuple(changes), "bytes_changed": share, "bytes_added": share}
        return look.model_copy(update=update)
    if spelling is None:
        reason = say("cannot", language, error=error)
        return look.model_copy(update={"reasons": (*look.reasons, reason), "exact": False})
    found = _with_tokens(look, spelling.tokens_of(look.term), spelling, facts, language)
    beside = say_change("adapter beside", language, terms=sharing)
    with_lora: dict[str, Any] = {"changes": (*found.changes, beside)}
    for name in ("bytes_changed", "bytes_added"):
        own = getattr(found, name)
        with_lora[name] = None if own is None else own + (share or 0)
    return found.model_copy(update=with_lora)


def _with_tokens(
    look: TermDiagnosis,
    tokens: tuple[NewToken, ...],
    spelling: Spelling,
    facts: HostFacts,
    language: Language,
) -> TermDiagnosis:
    row = _row_bytes(facts)
    grown = sum(token.id >= spelling.rows_before for token in tokens)
    added = None if row is None or facts.rows is None else grown * row
    reasons = list(look.reasons)
    already = [repr(" " * p.spaced + p.form) for p in look.pieces if len(p.ids) == 1]
    if already and look.seen != "unknown":
        reasons.append(say("already", language, forms=", ".join(already)))
    lone = [token.form for token in tokens if token.mechanism == "added"]
    if lone and facts.family != "WordPiece":
        reasons.append(say("lone space", language, forms=", ".join(lone)))
    if not tokens:
        reasons.append(say("nothing new", language))
    changes = []
    if tokens:
        shown = ", ".join(repr(token.content) for token in tokens)
        changes.append(say_change("tokens", language, count=len(tokens), forms=shown))
    if tokens and facts.rows is not None and not grown:
        changes.append(say_change("spare", language))
    if grown and added is not None:
        size = byte_count(added, language)
        changes.append(say_change("grown", language, count=grown, size=size))
    update = {
        "reasons": tuple(reasons),
        "changes": tuple(changes),
        "new_tokens": len(tokens),
        "exact": _is_exact(tokens, facts),
        "bytes_changed": None if row is None else len(tokens) * row,
        "bytes_added": added,
    }
    return look.model_copy(update=update)


_DTYPE_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}


def _row_bytes(facts: HostFacts) -> int | None:
    """Bytes of one token's rows: one where embeddings are tied, else two."""
    size = _DTYPE_BYTES.get((facts.dtype or "").removeprefix("torch."))
    if size is None or facts.hidden_size is None or facts.tied is None:
        return None
    return facts.hidden_size * size * (1 if facts.tied else 2)


def _adapter_bytes(model: PreTrainedModel, rank: int | None, share: float) -> int | None:
    """Bytes of a float32 LoRA of `rank` on every linear layer of the first `share` of layers."""
    if rank is None:
        return None
    from lexigraft.host import linear_layers

    layers = linear_layers(model, share).values()
    return sum(4 * rank * (layer.in_features + layer.out_features) for layer in layers)
