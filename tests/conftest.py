"""Tiny hosts for every test: {tied, untied} x {byte-level BPE, SentencePiece BPE, Unigram}.

A few thousand random, non-zero weights each (zeros would hide a wrong index), with tokenizers
trained on the English and Russian text below. Nothing heavy is imported until a fixture needs it.
"""

from __future__ import annotations

import copy
import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

# Before anything imports the hub's client: no test may wait for a network.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from lexigraft.host import Host

Kind = Literal["byte", "sentencepiece", "unigram"]

SENTENCES = (
    "The harbour wakes before the town, and the boats leave while the streets are dark.",
    "A kettle stands on the stove; the water in it sings, then boils.",
    "She carries a basket of apples up the hill, rests, and carries it down again.",
    "Every word means something, and what it means depends on the words around it.",
    "The old machine turns slowly. It makes a low sound like a tired animal.",
    "Children ask what a thing is called before they ask what it is for.",
    "We measured the river in 1984, 2005 and 2019: it was 12.5 metres wide.",
    "“Don't wait for me,” he said, “I'll be there when it's over.”",
    "A letter came for the teacher, who read it twice and put it in a drawer.",
    "The cat sleeps under the table; under the bed sleeps another cat.",
    "Гавань просыпается раньше города, и лодки уходят, пока на улицах темно.",
    "Чайник стоит на плите; вода в нём поёт, а потом закипает.",
    "Она несёт корзину яблок на холм, отдыхает и снова несёт её вниз.",
    "Каждое слово что-то значит, и то, что оно значит, зависит от слов вокруг.",
    "Старая машина вращается медленно. Она издаёт низкий звук, как усталый зверь.",
    "Дети спрашивают, как называется вещь, раньше, чем для чего она нужна.",
    "Мы измерили реку в 1984, 2005 и 2019 годах: она была шириной 12,5 метра.",
    "«Не жди меня, — сказал он, — я буду там, когда всё кончится».",
    "Учителю пришло письмо, он прочёл его дважды и положил в ящик.",
    "Кошка спит под столом; под кроватью спит другая кошка.",
)  # fmt: skip
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True)
class Tiny:
    """Which tiny host: its tokenizer, its ties, its class, and rows beyond the tokenizer's."""

    kind: Kind
    tied: bool
    architecture: Literal["llama", "qwen3"]
    spare_rows: int
    specials_last: bool = False

    def __str__(self) -> str:
        return f"{self.kind}-{'tied' if self.tied else 'untied'}"


TINY = (
    # As SmolLM2: specials first, no spare rows. As Qwen3: specials last, spare rows.
    Tiny("byte", True, "llama", 0),
    Tiny("byte", False, "qwen3", 7, specials_last=True),
    Tiny("sentencepiece", True, "qwen3", 5),
    Tiny("sentencepiece", False, "llama", 0),
    Tiny("unigram", True, "llama", 3),
    Tiny("unigram", False, "qwen3", 0),
)


def byte_level_bpe(*, specials_last: bool = False) -> Tokenizer:
    """Byte-level BPE. With `specials_last` as Qwen3: NFC, and specials above the vocabulary."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = [AddedToken(text, special=True, normalized=False) for text in SPECIALS]
    trainer = BpeTrainer(
        vocab_size=480,
        show_progress=False,
        special_tokens=[] if specials_last else specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    if specials_last:
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.add_special_tokens(specials)
    return tokenizer


def sentencepiece_bpe() -> Tokenizer:
    """BPE as Llama 2 has it: `▁` for a space, and a byte token for every unknown character."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from tokenizers.trainers import BpeTrainer

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.train_from_iterator(SENTENCES, BpeTrainer(vocab_size=260, show_progress=False))
    learned = json.loads(trained.to_str())["model"]
    pieces = sorted(learned["vocab"], key=learned["vocab"].__getitem__)
    names = ["<unk>", *SPECIALS, *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    merges = [tuple(merge) for merge in learned["merges"]]
    vocabulary = {name: index for index, name in enumerate(names)}
    model = models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.add_special_tokens(
        [AddedToken(text, special=True, normalized=False) for text in ("<unk>", *SPECIALS)]
    )
    return tokenizer


def unigram() -> Tokenizer:
    """Unigram with `▁`; a character that it never saw becomes `<unk>`."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from tokenizers.trainers import UnigramTrainer

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    specials = [AddedToken(text, special=True, normalized=False) for text in ("<unk>", *SPECIALS)]
    trainer = UnigramTrainer(
        vocab_size=300, show_progress=False, special_tokens=specials, unk_token="<unk>"
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    # The trainer finds the same pieces every time, in another order and with other scores.
    document = json.loads(tokenizer.to_str())
    text = " ".join(SENTENCES).replace(" ", "▁")
    count = len(specials)
    named, learned = document["model"]["vocab"][:count], document["model"]["vocab"][count:]
    scores = {piece: math.log((text.count(piece) + 0.5) / len(text)) for piece, _ in learned}
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    document["model"]["vocab"] = [*named, *map(list, ranked)]
    return Tokenizer.from_str(json.dumps(document))


def wrap(tokenizer: Tokenizer, *, unknown: bool) -> PreTrainedTokenizerBase:
    """The tokenizer as transformers has it, with the roles of its specials and a chat template."""
    from transformers import PreTrainedTokenizerFast

    roles = {"unk_token": "<unk>"} if unknown else {}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=CHAT_TEMPLATE,
        **roles,
    )


def build_tokenizer(kind: Kind, *, specials_last: bool = False) -> PreTrainedTokenizerBase:
    """A newly trained tiny tokenizer."""
    if kind == "byte":
        return wrap(byte_level_bpe(specials_last=specials_last), unknown=False)
    return wrap(sentencepiece_bpe() if kind == "sentencepiece" else unigram(), unknown=True)


def build_model(tiny: Tiny, tokenizer: PreTrainedTokenizerBase, seed: int = 0) -> PreTrainedModel:
    """A tiny model with random non-zero weights for `tokenizer`."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer) + tiny.spare_rows,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "max_position_embeddings": 256,
        "tie_word_embeddings": tiny.tied,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    model: PreTrainedModel
    if tiny.architecture == "llama":
        model = LlamaForCausalLM(LlamaConfig(**sizes))
    else:
        model = Qwen3ForCausalLM(Qwen3Config(**sizes))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            noise = torch.randn(weight.shape, generator=generator)
            # Norm weights stay around 1; nothing is exactly zero.
            weight.copy_(1 + 0.1 * noise if weight.dim() == 1 else 0.2 * noise + 1e-3)
    return model.eval()


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every tiny host as a saved checkpoint, by its name: 'byte-tied', 'unigram-untied', …"""
    import torch

    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("hosts")
    folders = {}
    for number, tiny in enumerate(TINY):
        tokenizer = build_tokenizer(tiny.kind, specials_last=tiny.specials_last)
        folder = root / str(tiny)
        build_model(tiny, tokenizer, seed=number).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        folders[str(tiny)] = folder
    return folders


@pytest.fixture(params=TINY, ids=str)
def tiny(request: pytest.FixtureRequest) -> Tiny:
    """Which tiny host a test runs on; each test that asks for it runs on all six."""
    chosen: Tiny = request.param
    return chosen


@pytest.fixture
def tiny_folder(tiny: Tiny, tiny_folders: dict[str, Path]) -> Path:
    """The folder of each tiny host in turn. Shared by all tests: read only."""
    return tiny_folders[str(tiny)]


@pytest.fixture
def tiny_host(tiny_folder: Path) -> Host:
    """Each tiny host in turn, newly loaded, so that a test may change it."""
    from lexigraft.host import load_host

    return load_host(tiny_folder)


@pytest.fixture
def make_host(tiny_folders: dict[str, Path]) -> Callable[[str], Host]:
    """Loads one tiny host by its name: `make_host("byte-tied")`."""
    from lexigraft.host import load_host

    return lambda name="byte-tied": load_host(tiny_folders[name])


@pytest.fixture(scope="session")
def trained_tokenizers() -> dict[str, PreTrainedTokenizerBase]:
    """Do not change these: the fixtures below hand out copies."""
    return {
        "byte": build_tokenizer("byte"),
        "byte-specials-last": build_tokenizer("byte", specials_last=True),
        "sentencepiece": build_tokenizer("sentencepiece"),
        "unigram": build_tokenizer("unigram"),
    }


TokenizersByName = dict[str, "PreTrainedTokenizerBase"]


@pytest.fixture
def byte_bpe_tokenizer(trained_tokenizers: TokenizersByName) -> PreTrainedTokenizerBase:
    """Byte-level BPE, specials first."""
    return copy.deepcopy(trained_tokenizers["byte"])


@pytest.fixture
def qwen_like_tokenizer(trained_tokenizers: TokenizersByName) -> PreTrainedTokenizerBase:
    """Byte-level BPE with NFC and the specials above the vocabulary, as in Qwen3."""
    return copy.deepcopy(trained_tokenizers["byte-specials-last"])


@pytest.fixture
def sentencepiece_tokenizer(trained_tokenizers: TokenizersByName) -> PreTrainedTokenizerBase:
    """BPE with `▁` and byte fallback."""
    return copy.deepcopy(trained_tokenizers["sentencepiece"])


@pytest.fixture
def unigram_tokenizer(trained_tokenizers: TokenizersByName) -> PreTrainedTokenizerBase:
    """Unigram with `<unk>`."""
    return copy.deepcopy(trained_tokenizers["unigram"])


@pytest.fixture(params=["byte", "byte-specials-last", "sentencepiece", "unigram"])
def any_tokenizer(
    request: pytest.FixtureRequest, trained_tokenizers: TokenizersByName
) -> PreTrainedTokenizerBase:
    """Each tiny tokenizer in turn."""
    return copy.deepcopy(trained_tokenizers[request.param])


@pytest.fixture(scope="session")
def sentences() -> tuple[str, ...]:
    """The text that the tiny tokenizers were trained on: ten English sentences, ten Russian."""
    return SENTENCES


@pytest.fixture(scope="session")
def real_base() -> Path:
    """The folder of the embedded 135M base, fetched if need be. For slow tests only."""
    from lexigraft.embedded import embedded_base

    return embedded_base()


@dataclass
class Asked:
    """One request as the server saw it."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class WriterServer:
    """A real OpenAI-compatible server on this machine: `answer` decides what it says.

    `answer(asked, number)` gives the text of a completion, a status with a body, or raw bytes.
    """

    def __init__(self) -> None:
        import http.server
        import threading

        self.asked: list[Asked] = []
        self.answer: Callable[[Asked, int], str | bytes | tuple[int, str] | dict[str, Any]]
        self.answer = lambda asked, number: ""
        self.extra: dict[str, str] = {}
        lock, outer = threading.Lock(), self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                asked = Asked(self.path, dict(self.headers.items()), json.loads(body))
                with lock:
                    outer.asked.append(asked)
                    number = len(outer.asked)
                said = outer.answer(asked, number)
                status, data = 200, b""
                if isinstance(said, tuple):
                    status, data = said[0], said[1].encode()
                elif isinstance(said, bytes):
                    data = said
                else:
                    choice = {"message": {"role": "assistant", "content": said}, "index": 0}
                    choice |= said if isinstance(said, dict) else {"finish_reason": "stop"}
                    data = json.dumps({"object": "chat.completion", "choices": [choice]}).encode()
                try:
                    self.send_response(status)
                    for name, value in outer.extra.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    pass  # the client gave up

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"http://{self.host}/v1"

    def close(self) -> None:
        """Refuses every connection from here on."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def writer_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WriterServer]:
    """A server to ask for sentences; no key is in the environment."""
    for name in ("LEXIGRAFT_WRITER_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    server = WriterServer()
    yield server
    server.close()
