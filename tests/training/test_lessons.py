"""The teacher's targets against a computation position by position, as slow as it is plain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from lexigraft.corpus import Text
from lexigraft.lexicon import find_term
from lexigraft.likelihood import document_start, encode, output_rows
from lexigraft.training import Lesson, lessons

from .conftest import TEXTS, Case


@torch.inference_mode()
def after(case: Case, ids: list[int]) -> torch.Tensor:
    """Probabilities of the next token; a row that will be a new token's has none."""
    if tuple(ids) in case.known:
        return case.known[tuple(ids)]
    logits = case.host.model(input_ids=torch.tensor([ids])).logits[0, -1].double()
    for number in case.spelling.new_ids:
        logits[number : number + 1] = -torch.inf
    return case.known.setdefault(tuple(ids), torch.softmax(logits, -1))


def naive(case: Case, text: Text, share: float, *, least: float) -> list[dict[int, float]]:
    """The whole target before each token of the text, over old and new tokens.

    `least` is the evidence in nats without which the term's first token has the plain target.
    """
    start = document_start(case.host.tokenizer)
    pieces_of = {t.id: list(t.pieces) for t in case.spelling.new_tokens}
    ids = encode(case.tokenizer, text.text)
    prompt: list[int] = []
    first = len(ids)
    if text.term is not None:
        term = case.lexicon[text.term]
        meaning = term.definition[len(text.text) % len(term.definition)]
        surface = case.spelling.surface(term.term)
        name = f"{surface[:1].upper()}{surface[1:]}: "
        prompt = encode(case.host.tokenizer, f"{name}{meaning}.\n")
        empty = encode(case.host.tokenizer, f"{name}a word.\n")
        spans: Any = case.tokenizer(
            text.text, add_special_tokens=False, return_offsets_mapping=True
        ).offset_mapping
        found = find_term(text.text, term, case.lexicon.marker)
        begin = found[0].start if found else 0
        first = next(i for i, (_, right) in enumerate(spans) if right > begin)
        before = [p for i in ids[:first] for p in pieces_of.get(i, [i])]
        evidence = 0.0
        for number, piece in enumerate(before):
            read = before[:number]
            evidence += float(after(case, start + prompt + read)[piece].log())
            evidence -= float(after(case, start + empty + read)[piece].log())
        first += bool(found) and evidence < least
    out = []
    read: list[int] = []
    for index, token in enumerate(ids):
        asked = index >= first
        before = start + (prompt if asked else []) + read
        pieces = pieces_of.get(token, [token])
        if before:
            part = share if asked else 0.0
            table = after(case, before)
            target = {i: float(p) * (1 - part) for i, p in enumerate(table)}
            if token in pieces_of:
                word = 1 - part
                for number, piece in enumerate(pieces):
                    word *= float(after(case, before + pieces[:number])[piece])
                target[pieces[0]] -= word
                target[token] = word
            target[token] = target.get(token, 0.0) + part
            out.append(target)
        read += pieces
    return out


def equal(lesson: Lesson, wanted: list[dict[int, float]], top_k: int) -> None:
    """Whether the lesson says of every token that it lists what `wanted` says, and lists enough."""
    assert len(lesson.target_ids) == len(wanted) == len(lesson.ids) - 1
    for position, target in enumerate(wanted):
        listed = lesson.target_ids[position].tolist()
        given = lesson.target_probabilities[position].tolist()
        there = {i: p for i, p in zip(listed, given, strict=True) if i >= 0}
        assert len(there) == sum(i >= 0 for i in listed), "an id stands twice"
        for number, probability in there.items():
            assert probability == pytest.approx(target[number], rel=1e-3, abs=1e-5)
        assert int(lesson.ids[position + 1]) in there
        likeliest = sorted(target, key=target.__getitem__)[-top_k // 2 :]
        assert all(i in there or target[i] == pytest.approx(min(given)) for i in likeliest)
        assert all(p == 0 for i, p in zip(listed, given, strict=True) if i < 0)


@pytest.mark.parametrize("least", [-100.0, 4.0])
def test_every_target_is_the_plainly_computed_one(case: Case, least: float) -> None:
    for share in (0.0, 0.25, 1.0):
        found = case.lessons(text_weight=share, evidence=least)
        for text, lesson in zip(TEXTS, found, strict=True):
            equal(lesson, naive(case, text, share, least=least), 12)
    for text, lesson in zip(TEXTS, found, strict=True):
        assert lesson.term == text.term
        assert lesson.replay == (text.term is None)
        start = document_start(case.host.tokenizer)
        assert lesson.ids.tolist() == start + encode(case.tokenizer, text.text)


def test_new_tokens_stand_in_the_lessons(case: Case) -> None:
    found = case.lessons()
    new = set(case.spelling.new_ids)
    assert new & set(found[0].ids.tolist())
    assert new & set(found[1].ids.tolist())
    assert not new & set(found[3].ids.tolist())


def test_no_new_token_has_any_mass_but_where_it_stands(case: Case) -> None:
    for lesson in case.lessons(top_k=100_000):
        said = lesson.ids[1:, None]
        new = torch.isin(lesson.target_ids, torch.tensor(case.spelling.new_ids))
        wrong = new & (lesson.target_ids != said) & (lesson.target_probabilities > 0)
        assert not bool(wrong.any())


@pytest.mark.parametrize("top_k", [1, 12, 100_000])
def test_probabilities_are_probabilities(case: Case, top_k: int) -> None:
    for lesson in case.lessons(top_k=top_k):
        assert bool((lesson.target_probabilities >= 0).all())
        assert float(lesson.target_probabilities.sum(1).max()) <= 1 + 1e-5
        for ids in lesson.target_ids.tolist():
            kept = [i for i in ids if i >= 0]
            assert len(set(kept)) == len(kept)
        if top_k > 1000:  # nothing was left out
            assert float(lesson.target_probabilities.sum(1).min()) >= 1 - 1e-5


def test_the_definition_is_known_from_the_term_on_and_not_before(
    make_lesson_case: Callable[..., Case],
) -> None:
    """Another definition changes what is taught from the term's first token on, and only that."""
    text = (Text(text="She carries the velkin up the hill.", term="velkin", kind="example"),)
    case = make_lesson_case()
    [one] = case.lessons(text, evidence=-100.0)
    other = case.lexicon.model_copy(
        update={
            "terms": tuple(
                t.model_copy(update={"definition": ("a low sound",)}) for t in case.lexicon.terms
            )
        }
    )
    case.lexicon = other
    [two] = case.lessons(text, evidence=-100.0)
    spans: Any = case.tokenizer(
        text[0].text, add_special_tokens=False, return_offsets_mapping=True
    ).offset_mapping
    first = next(i for i, (_, right) in enumerate(spans) if right > text[0].text.index("velkin"))
    assert 2 <= first < len(spans) - 4
    same = (one.target_probabilities == two.target_probabilities).all(1)
    assert bool(same[:first].all())
    assert not bool(same[first:].any())


def test_the_term_is_said_only_where_what_stands_before_speaks_for_it(
    make_lesson_case: Callable[..., Case],
) -> None:
    """The same text, its term said as the untaught model says it or as the teacher does."""
    text = (Text(text="She carries the velkin up the hill.", term="velkin", kind="example"),)
    case = make_lesson_case()
    [careful] = case.lessons(text, text_weight=1.0)
    [free] = case.lessons(text, text_weight=1.0, evidence=-100.0)
    different = (careful.target_probabilities != free.target_probabilities).any(1)
    spans: Any = case.tokenizer(
        text[0].text, add_special_tokens=False, return_offsets_mapping=True
    ).offset_mapping
    first = next(i for i, (_, right) in enumerate(spans) if right > text[0].text.index("velkin"))
    assert different.nonzero()[:, 0].tolist() == [first]
    said = (careful.target_ids[first] == careful.ids[first + 1]).nonzero()[0, 0]
    assert float(careful.target_probabilities[first, said]) < 0.1


def test_a_term_has_its_own_weight(make_lesson_case: Callable[..., Case]) -> None:
    case = make_lesson_case()
    plain, heavy = case.lessons(), case.lessons(term_weight=3.0)
    for text, one, two in zip(TEXTS, plain, heavy, strict=True):
        assert set(one.weights.tolist()) == {1.0}
        spans: Any = case.tokenizer(
            text.text, add_special_tokens=False, return_offsets_mapping=True
        ).offset_mapping
        found = (
            find_term(text.text, case.lexicon[text.term], case.lexicon.marker) if text.term else []
        )
        wanted = [
            3.0 if any(o.start < right and left < o.end for o in found) else 1.0
            for left, right in spans
        ]
        assert two.weights.tolist() == wanted


@pytest.mark.parametrize("name", ["byte-tied", "unigram-untied"])
def test_without_a_document_start_the_first_token_is_no_target(
    make_lesson_case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = make_lesson_case(name)
    monkeypatch.setattr(lessons, "document_start", lambda tokenizer: [])
    monkeypatch.setitem(globals(), "document_start", lambda tokenizer: [])
    for text, lesson in zip(TEXTS, case.lessons(evidence=-100.0), strict=True):
        assert lesson.ids.tolist() == encode(case.tokenizer, text.text)
        wanted = naive(case, text, 0.25, least=-100.0)
        # A text that begins with the term has a prompted target for its first token, left out.
        equal(lesson, wanted[-len(lesson.target_ids) :], 12)


def test_lessons_do_not_depend_on_their_company(make_lesson_case: Callable[..., Case]) -> None:
    case = make_lesson_case("sentencepiece-untied")
    together = case.lessons()
    for text, lesson in zip(TEXTS, together, strict=True):
        [alone] = case.lessons((text,))
        assert torch.equal(alone.ids, lesson.ids)
        torch.testing.assert_close(
            alone.target_probabilities.sum(1), lesson.target_probabilities.sum(1)
        )


def test_progress_counts_every_pass_of_the_teacher(make_lesson_case: Callable[..., Case]) -> None:
    counts: list[int] = []
    make_lesson_case().lessons(advance=counts.append)
    assert sum(counts) == len(TEXTS) + sum(text.term is not None for text in TEXTS)


def test_the_model_is_left_as_it_was(make_lesson_case: Callable[..., Case]) -> None:
    case = make_lesson_case("byte-untied")
    before = {name: value.clone() for name, value in case.host.model.state_dict().items()}
    case.lessons()
    after = case.host.model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_a_foil_teaches_only_behind_itself(make_lesson_case: Callable[..., Case]) -> None:
    case = make_lesson_case()
    sentence = "She carries the Brimbo up the hill."
    text = Text(text=sentence, kind="foil", foil="brimbo")
    [lesson], [plain] = case.lessons((text,)), case.lessons((Text(text=sentence, kind="replay"),))
    assert lesson.replay
    assert torch.equal(lesson.target_probabilities, plain.target_probabilities)
    spans: Any = case.tokenizer(
        sentence, add_special_tokens=False, return_offsets_mapping=True
    ).offset_mapping
    first = next(i for i, (_, right) in enumerate(spans) if right > sentence.index("Brimbo"))
    assert lesson.weights.tolist() == [float(i > first) for i in range(len(spans))]
    assert set(plain.weights.tolist()) == {1.0}


def test_the_teacher_has_examples_before_self_written_texts_alone(
    make_lesson_case: Callable[..., Case],
) -> None:
    case = make_lesson_case()
    shown = {"examples": ("A velkin stands on the hill.",)}
    case.lexicon = case.lexicon.model_copy(
        update={"terms": tuple(t.model_copy(update=shown) for t in case.lexicon.terms)}
    )
    sentence = "She carries the velkin up the hill."
    for kind in ("written", "swapped", "example", "definition", "contrast"):
        text = Text(text=sentence, term="velkin", kind=kind)
        [without], [one], [many] = (case.lessons((text,), teacher_examples=n) for n in (0, 1, 9))
        same = torch.equal(without.target_probabilities, one.target_probabilities)
        assert same == (kind not in ("written", "swapped"))
        assert torch.equal(one.target_probabilities, many.target_probabilities)


def test_plain_next_token_loss_knows_no_teacher_but_keeps_replay(
    make_lesson_case: Callable[..., Case],
) -> None:
    case = make_lesson_case()
    plain = case.lessons(TEXTS, objective="next-token")
    taught = case.lessons(TEXTS)
    for text, lesson, other in zip(TEXTS, plain, taught, strict=True):
        if text.term is None:
            torch.testing.assert_close(lesson.target_probabilities, other.target_probabilities)
            continue
        following = lesson.ids[len(lesson.ids) - len(lesson.target_ids) :]
        said = (lesson.target_ids == following[:, None]).float()
        assert torch.equal(lesson.target_probabilities, said)


def test_where_the_teacher_has_no_prompt_all_that_it_says_is_the_target(
    make_lesson_case: Callable[..., Case],
) -> None:
    case = make_lesson_case()
    head = output_rows(case.host.model)
    new = set(case.spelling.new_ids)
    for text, lesson in zip(TEXTS, case.lessons(TEXTS, whole=True), strict=True):
        assert lesson.teacher is not None
        assert lesson.held is not None
        offset = len(lesson.ids) - len(lesson.target_ids)
        following = lesson.ids[offset:].tolist()
        if text.term is None:
            assert bool(lesson.held.all())
        else:
            assert not bool(lesson.held.all())
        pieces_of = {t.id: list(t.pieces) for t in case.spelling.new_tokens}
        states = iter(lesson.teacher)
        for place, whole in enumerate(lesson.held.tolist()):
            assert not (whole and following[place] in new)
            if not whole:
                continue
            read = [p for i in lesson.ids[: offset + place].tolist() for p in pieces_of.get(i, [i])]
            said = (next(states) @ head.t()).double()
            said[[number for number in new if number < len(said)]] = -torch.inf
            torch.testing.assert_close(
                torch.softmax(said, -1), after(case, read), rtol=1e-3, atol=1e-6
            )
