"""The report's English."""

from __future__ import annotations

__all__ = ["PLURALS", "STRINGS"]

# one, other
PLURALS: dict[str, tuple[str, ...]] = {
    "term": ("term", "terms"),
    "of_terms": ("term", "terms"),
    "question": ("question", "questions"),
    "piece": ("piece", "pieces"),
    "token": ("token", "tokens"),
    "step": ("step", "steps"),
    "character": ("character", "characters"),
}

STRINGS: dict[str, str] = {
    "unit.seconds": "{n} s",
    "unit.minutes": "{n} min",
    "unit.hours": "{n} h",
    "page.title": "{lexicon}: what the model learned",
    "page.kicker": "lexigraft report",
    "page.contents": "Contents",
    "page.lexicon": "Lexicon",
    "page.model": "Model",
    "page.seed": "Seed",
    "page.time": "Time",
    "page.footer": "Made from the files in the run's folder. It needs no network and no model.",
    "headline.taught": "The model now knows {known} of {terms}; before it knew {before}.",
    "headline.untaught": "This model, untaught, knows {before} of {terms}.",
    "headline.unverified": "This run has no verdict yet.",
    "headline.unverified_more": (
        "Run “lexigraft verify” on this folder, then “lexigraft report”: the results will be here."
    ),
    "headline.drift": "Neutral text drifted by {drift} nats per token (limit {limit}).",
    "headline.drift_over": (
        "Neutral text drifted by {drift} nats per token, over the limit of {limit}."
    ),
    "headline.drift_no_limit": "Neutral text drifted by {drift} nats per token.",
    "headline.drift_missing": "Drift on neutral text was not measured.",
    "headline.lost": "No longer known: {terms}.",
    "headline.learned": "Newly learned: {terms}; known already: {already}.",
    "figure.knows": "{terms} known",
    "figure.knows_note": "before: {before}",
    "figure.check_note": "before: {before}",
    "figure.drift": "nats per token of drift",
    "figure.drift_short": "Drift",
    "figure.limit": "limit {limit}",
    "figure.no_limit": "no limit given",
    "figure.leakage": "stray emissions per 10,000 tokens",
    "figure.leakage_note": "before: {before}",
    "figure.of": "of {total}",
    "section.summary": "Term by term",
    "section.checks": "The checks",
    "section.terms": "Each term in detail",
    "section.harm": "What was harmed",
    "section.training": "Training",
    "section.load": "How to load the result",
    "section.settings": "Settings and versions",
    "section.glossary": "Glossary",
    "summary.term": "Term",
    "summary.route": "Route",
    "summary.before": "Said before",
    "summary.now": "Says now",
    "summary.definition": "Definition",
    "summary.cloze": "Cloze",
    "summary.status": "Result",
    "summary.harmed": "Harmed",
    "summary.none": "There are no terms in the verdict.",
    "summary.caption": (
        "Definition and cloze: the share of questions answered rightly, before → now. "
        "The answers are the models' own words, unedited."
    ),
    "summary.caption_harm": "Leaks: stray emissions of the term in 10,000 tokens of neutral text.",
    "summary.more": "{hidden} more are not listed here; verdict.json has them all.",
    "answer.none": "no answer",
    "answer.empty": "(nothing)",
    "status.learned": "learned",
    "status.known": "known before",
    "status.lost": "lost",
    "status.not_learned": "not learned",
    "status.knows": "knows",
    "status.unknown": "does not know",
    "route.subword": "subword",
    "route.token": "token",
    "route.marker": "marker",
    "route.subword_what": "its existing pieces; the tokenizer stays as it is",
    "route.token_what": "one new token for each form",
    "route.marker_what": "existing pieces inside a marker; the bare word keeps its old meaning",
    "harm.none": "nothing measurable",
    "harm.leaks": "leaks {value}",
    "harm.unmeasured": "not measured",
    "check.definition": "Definition",
    "check.definition_what": "Given the term, rank the right definition first.",
    "check.definition_score": "check",
    "check.term": "Term from definition",
    "check.term_what": "Given the definition, rank the right term first.",
    "check.alignment": "Alignment",
    "check.alignment_what": "Match all terms with all definitions at once.",
    "check.cloze": "Cloze",
    "check.cloze_what": "Pick the term that fits an unseen sentence.",
    "check.near": "Near terms",
    "check.near_what": "Tell easily confused terms apart.",
    "check.properties": "Properties",
    "check.properties_what": "Draw conclusions that the definition does not spell out.",
    "check.use": "Use",
    "check.use_what": "Write sentences with the term that show its meaning.",
    "check.override": "Override",
    "check.override_what": "Follow a different definition when the prompt gives one.",
    "check.selectivity": "Marker selectivity",
    "check.selectivity_what": "Marked: the new meaning; bare: the old one.",
    "checks.caption": (
        "Share of questions answered rightly over all terms. The dashed line is chance. "
        "Gap closed: 1 means that teaching was worth as much as having the definition in the "
        "prompt."
    ),
    "checks.check": "Check",
    "checks.scores": "Before, now, and with the definition in the prompt (ceiling)",
    "checks.gap": "Gap closed",
    "checks.rank": "Mean reciprocal rank",
    "checks.questions": "Questions",
    "checks.unmeasurable": "Not measurable here",
    "checks.unmeasurable_why": (
        "Even with the definition in its prompt this model does not beat chance clearly, so the "
        "check says nothing about it."
    ),
    "checks.chance": "chance {value}",
    "checks.error": "now ± {value}",
    "checks.none": "No check was run.",
    "map.title": "Which term passed which check",
    "map.caption": "● passes now, ◐ passed already before, ○ does not pass, · not asked.",
    "map.passed": "passes",
    "map.before": "passed before",
    "map.failed": "does not pass",
    "map.absent": "not asked",
    "map.unmeasurable": "not measurable here",
    "map.unmeasurable_legend": "– not measurable on this model.",
    "map.lost": "no longer passes",
    "map.lost_legend": "× no longer passes.",
    "condition.floor": "before",
    "condition.taught": "now",
    "condition.ceiling": "ceiling",
    "condition.floor_long": "Before teaching",
    "condition.taught_long": "Now",
    "condition.ceiling_long": "Untaught, with the definition in the prompt",
    "term.definition": "Definition",
    "term.definitions": "Definitions",
    "term.forms": "Forms",
    "term.written": "Written to the model as",
    "term.pieces": "How the tokenizer cuts it",
    "term.pieces_before": "Before",
    "term.pieces_after": "Now",
    "term.pieces_none": "The pieces were not recorded.",
    "term.pieces_same": "The same pieces: this route leaves the tokenizer alone.",
    "term.new": "new token",
    "term.id": "id {id}",
    "term.saved": "Saves {tokens} at each occurrence.",
    "term.why": "Why the route “{route}”",
    "term.why_none": "The reasons for the route were not recorded.",
    "term.changes": "What it changes",
    "term.answers": "What the model says",
    "term.answers_none": "No answers were recorded.",
    "term.prompt": "Prompt",
    "term.checks": "Checks",
    "term.checks_none": "No check was run on this term.",
    "term.questions": "{questions} asked",
    "term.passed": "passed",
    "term.not_passed": "not passed",
    "term.percentile": "scores above {share} of untaught words",
    "term.question": "Question",
    "term.right": "Right answer",
    "term.chose": "Chose",
    "term.rank": "right answer ranked {rank}",
    "term.cut": "… ({characters} in all)",
    "term.details": "Show details of {term}",
    "harm.intro": (
        "Teaching changes weights that ordinary text also uses. This is what it cost, measured "
        "on text that was never trained on."
    ),
    "harm.intro_untaught": "Nothing was taught, so nothing was harmed.",
    "harm.drift": "Drift on neutral text",
    "harm.drift_none": "Drift was not measured.",
    "harm.mean": "Mean drift",
    "harm.p99": "99th percentile",
    "harm.nats": "{value} nats per token",
    "harm.top1": "Same likeliest next token",
    "harm.bits": "Bits per byte, before → now",
    "harm.hard": "Hard negatives",
    "harm.hard_what": "the terms' pieces in other words, and bare words",
    "harm.tokens": "Measured on",
    "harm.rows": "Old embedding rows",
    "harm.rows_same": "all {rows} bit-identical",
    "harm.rows_moved": (
        "{moved} of {rows} moved, by {mean}% of their length on average, {most}% at most"
    ),
    "harm.worst": "The texts that changed most",
    "harm.worst_text": "Text",
    "harm.worst_kl": "Nats per token",
    "harm.within": "within the limit of {limit}",
    "harm.over": "over the limit of {limit}",
    "harm.leakage": "Leakage",
    "harm.leakage_what": (
        "Expected emissions of taught terms in neutral text, per 10,000 tokens, where none belongs."
    ),
    "harm.leakage_none": "Leakage was not measured.",
    "harm.leakage_all": "All terms",
    "harm.leakage_before": "Before teaching",
    "harm.leakage_now": "Now",
    "harm.leakage_term": "Term",
    "harm.leakage_value": "Per 10,000 tokens",
    "harm.selectivity": "Old meanings behind markers",
    "harm.selectivity_what": (
        "The marked word should carry the new meaning while the bare word keeps its old one."
    ),
    "harm.spelling": "Spelling of the new tokens",
    "harm.spelling_exact": "{exact} of {forms} forms are exactly one token in every position.",
    "harm.spelling_changed": "Other words that are now cut differently:",
    "harm.spelling_unchanged": "Every other word is cut as before.",
    "training.none": "There is no training log in this folder.",
    "training.loss": "Loss",
    "training.drift": "Drift during training",
    "training.train": "training",
    "training.validation": "validation",
    "training.drift_line": "drift",
    "training.step": "step",
    "training.nats": "nats per token",
    "training.loss_unit": "loss",
    "training.limit": "limit",
    "training.summary": "{steps} in {time}; the loss went from {first} to {last}.",
    "training.skipped": "Steps without a finite loss: {count}.",
    "training.describe": (
        "Line chart of {name} over training steps {start} to {end}: from {first} to {last}."
    ),
    "load.model": "The merged model, with plain transformers",
    "load.model_none": "There is no model/ folder in this run yet.",
    "load.adapter": "The adapter alone, with PEFT",
    "load.adapter_none": (
        "There is no adapter/ folder in this run: with --tune full, or before training has ended, "
        "there is none."
    ),
    "load.adapter_base": (
        "The adapter goes on top of the very base that was taught. The tokenizer is the taught "
        "model's."
    ),
    "load.write": "Write the terms to the model like this:",
    "load.copy": "Copy",
    "load.copied": "Copied",
    "settings.recipe": "Recipe",
    "settings.versions": "Versions",
    "settings.stages": "Time by stage",
    "settings.run": "Run",
    "settings.none": "Not recorded.",
    "settings.base": "The model that was taught",
    "settings.truths": "What is true of this model",
    "value.yes": "yes",
    "value.no": "no",
    "model.architecture": "architecture",
    "model.tokenizer_class": "tokenizer class",
    "model.family": "tokenizer family",
    "model.vocabulary": "tokens",
    "model.rows": "embedding rows",
    "model.spare_rows": "spare rows",
    "model.tied": "tied embeddings",
    "model.dtype": "type of the weights",
    "model.hidden_size": "hidden size",
    "model.layers": "layers",
    "model.parameters": "parameters",
    "settings.name": "Name",
    "settings.value": "Value",
    "settings.model": "model",
    "settings.revision": "revision",
    "settings.seed": "seed",
    "settings.lexicon_digest": "lexicon digest",
    "settings.recipe_digest": "recipe digest",
    "settings.verify_seconds": "verification time",
    "settings.notes": "Notes",
    "settings.missing": "This folder has no {files}; the report leaves out what they would show.",
    "settings.unreadable": "Could not be read and was left out: {files}.",
    "glossary.floor": "Floor",
    "glossary.floor_text": "What the untaught model scores: the starting point.",
    "glossary.ceiling": "Ceiling",
    "glossary.ceiling_text": (
        "What the untaught model scores with the definition in its prompt: what it could do if it "
        "only knew."
    ),
    "glossary.gap": "Gap closed",
    "glossary.gap_text": (
        "(now − floor) / (ceiling − floor). At 1 teaching was worth as much as having the "
        "definition in the prompt; at 0 it was worth nothing."
    ),
    "glossary.drift": "Drift",
    "glossary.drift_text": (
        "How far the model's predictions moved on text that has nothing to do with the terms: the "
        "Kullback–Leibler divergence from the untaught to the taught model, in nats per token."
    ),
    "glossary.leakage": "Leakage",
    "glossary.leakage_text": "Taught terms that turn up in text where they do not belong.",
    "glossary.chance": "Chance",
    "glossary.chance_text": "What guessing would score.",
    "glossary.knows": "Knows",
    "glossary.knows_text": (
        "A term is known when the model scores above untaught invented words in most of the "
        "checks that this model can be measured by."
    ),
    "card.title": "{model} taught {terms}",
    "card.intro": (
        "A language model with its vocabulary extended by lexigraft. It was taught the terms "
        "below; the base is {base}."
    ),
    "card.licence": (
        "The base model's licence applies to this model too. It is not recorded here: look it up "
        "where the base comes from."
    ),
    "card.licence_known": "The base model's licence, {licence}, applies to this model too.",
    "card.local_base": "a local checkpoint named {name}",
    "card.taught": "What was taught",
    "card.harmed": "What was harmed",
    "card.load": "How to load it",
    "card.load_where": (
        "The paths are relative to this file. From a hub repository that holds this folder, give "
        'the repository\'s name and `subfolder="model"`.'
    ),
    "card.made": "How it was made",
    "card.seed": "Seed: {seed}",
    "card.versions": "Versions: {versions}",
    "card.no_verdict": "It has not been verified yet: there is no verdict in this folder.",
    "card.drift": (
        "Drift on neutral text: {mean} nats per token (99th percentile {p99}); the likeliest next "
        "token stayed the same at {top1} of tokens."
    ),
    "card.leakage": "Leakage: {value} emissions of taught terms per 10,000 tokens of neutral text.",
    "card.nothing": "Harm was not measured.",
    "card.limits": "Limits",
    "card.limits_text": (
        "It was tested on the questions in `verdict.json` and on nothing else; `report.html` shows "
        "each of them. Everything that the base model gets wrong, this model gets wrong too."
    ),
}
