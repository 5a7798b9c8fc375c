"""A hundred nouns of WordNet behind invented names: the lexicon in wordnet.jsonl.

    apt-get install wordnet-base
    python benchmarks/teaching/wordnet.py

What a thing is and how one speaks of it was written by lexicographers and not for this benchmark.
The gloss is the definition, and every example that tells something is a test; in both the noun
gives way to a name of this file's own making, always the same for the same seed. The broader word
is the one above it in WordNet. There are no examples to learn from: WordNet has too few.

The nouns were picked by hand among those whose gloss says what one can picture and whose example
would not fit everything. Line n of wordnet.jsonl is noun n of NOUNS.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = Path("/usr/share/wordnet")
SEED = 0

# Where data.noun has the synset (WordNet 3.0), and the noun.
NOUNS = """
02691156 airplane   02701125 ambulatory 02732827 arbor      02734217 arch       02768226 backboard
02773037 bag        02787120 bandwagon  02789487 bar        02801525 basin      02818832 bed
02819474 bed        02836392 bier       02838728 bill       02838958 bill       02853449 blockage
02867401 bombazine  02884450 box        02887209 brace      02913152 building   14699752 gem
02924116 bus        02953850 canvas     02958343 car        02972182 cartridge  02982790 stop
03001627 chair      03067912 collage    03092476 console    03101375 cookhouse  03106110 cord
03116942 counter    03132076 bat        03147509 cup        03221720 door       03235560 drawstring
03308297 eye        03343853 firearm    03346455 fireplace  03416900 garbage    03455033 grave
03485997 handle     03502042 headband   03513627 hem        03533972 hoop       03544360 house
03564849 impression 03727067 mastaba    03728982 match      03793489 mouse      03860234 outfitter
03929443 pick       03946325 pipeline   03954731 plane      03984759 porringer  03986355 portfolio
03993703 pound      04038440 rack       04053218 range      04066888 reed       04074963 remote
04092447 rim        04145056 scenery    15102712 knot       04149083 scoop      04150668 scrap
04153025 screen     04208936 shower     04243370 slot       04276050 spike      04277980 spine
04291242 square     04296261 staff      04297098 stage      04302034 standee    04346511 stylus
04350905 suit       04378123 tab        04391569 tape       04411264 tent       04454240 top
04468847 tramcar    04497962 tunnel     04547592 wall       04582044 wick       04588986 window
05262185 mustache   05556595 navel      05562595 lap        09214060 bar        09246464 cliff
09268007 divot      09305031 hollow     09386842 pass       09397391 pond       09410101 rift
09436531 skim       09437887 slot       09442723 splint     09442838 splinter   09477037 web
"""

# How a name is made: a consonant or two, a vowel, what may stand between vowels, a vowel, an end.
_STARTS = "b br bl d dr f fl fr g gl gr h j k kr l m n p pl pr r s sk sl sm sn sp st t tr v w y z"
_VOWELS = "a e i o u"
_MIDDLES = "bb dd ff gg ld lf lk lm lp lt lv mb mp nd ng nk nt pp rb rd rf rk rm rp rt rv sk sp zz"
_ENDS = "b ck d f g k l m n nd p rd rn sk st t x"
_FEWEST_WORDS = 7
_FIRST_LINES = 29
"""The licence stands at the top of data.noun."""


@dataclass
class Synset:
    """One line of data.noun."""

    words: list[str]
    broader: list[str]
    """Offsets of the synsets above it."""
    definition: str
    examples: list[str]


def read_synsets(data: Path) -> dict[str, Synset]:
    """Every noun synset by its offset."""
    synsets: dict[str, Synset] = {}
    for line in (data / "data.noun").read_text(encoding="utf-8").splitlines()[_FIRST_LINES:]:
        head, gloss = line.split(" | ", 1)
        fields = head.split()
        count = int(fields[3], 16)
        after = 4 + 2 * count
        pointers = fields[after + 1 : after + 1 + 4 * int(fields[after])]
        synsets[fields[0]] = Synset(
            words=[word.replace("_", " ") for word in fields[4:after:2]],
            broader=[
                pointers[i + 1]
                for i in range(0, len(pointers), 4)
                if pointers[i] in ("@", "@i") and pointers[i + 2] == "n"
            ],
            definition=re.sub(r"^\([^)]*\) ", "", re.split(r';?\s*"', gloss)[0].strip(" ;")),
            examples=re.findall(r'"([^"]+)"', gloss),
        )
    return synsets


def known_words(data: Path) -> set[str]:
    """Every word of WordNet, of whatever part of speech."""
    known: set[str] = set()
    for part in ("noun", "verb", "adj", "adv"):
        lines = (data / f"index.{part}").read_text(encoding="utf-8").splitlines()[_FIRST_LINES:]
        known.update(piece for line in lines for piece in line.split(" ", 1)[0].split("_"))
    return known


def invented_names(count: int, known: set[str], seed: int = SEED) -> list[str]:
    """`count` names of six or seven letters; no four of them in a row are a word, or two names'."""
    chance = random.Random(seed)
    names: list[str] = []
    taken = {word for word in known if len(word) >= 4}
    while len(names) < count:
        parts = (_STARTS, _VOWELS, _MIDDLES, _VOWELS, _ENDS)
        name = "".join(chance.choice(part.split()) for part in parts)
        runs = {name[i:j] for i in range(len(name)) for j in range(i + 4, len(name) + 1)}
        if 6 <= len(name) <= 7 and not runs & taken:
            names.append(name)
            taken |= runs
    return names


def renamed(text: str, noun: str, name: str) -> str:
    """`text` with the name, which begins with a consonant, for the noun."""
    text = re.sub(rf"\b([Aa])n {noun}\b", rf"\1 {name}", text)
    return re.sub(rf"\b{noun}\b", name, text)


def sentence(example: str) -> str:
    """With a capital letter and an end: WordNet writes neither."""
    text = example[0].upper() + example[1:]
    return text if text[-1] in ".!?" else f"{text}."


def term(synsets: dict[str, Synset], offset: str, noun: str, name: str) -> dict[str, object]:
    """The entry of one noun; an example tells nothing if it is short or has the noun twice."""
    synset = synsets[offset]
    tests = [
        sentence(renamed(example, noun, name))
        for example in synset.examples
        if len(example.split()) >= _FEWEST_WORDS
        and len(re.findall(rf"\b{noun}\b", example, flags=re.IGNORECASE)) == 1
    ]
    if noun not in synset.words or not tests:
        raise ValueError(f"{noun} at {offset} is no noun with a test: is this WordNet 3.0?")
    if re.search(noun, synset.definition, flags=re.IGNORECASE):
        raise ValueError(f"the gloss of {noun} at {offset} gives the noun away")
    entry: dict[str, object] = {
        "term": name,
        "definition": synset.definition,
        "part_of_speech": "noun",
    }
    above = [synsets[offset].words[0] for offset in synset.broader]
    broader = [word for word in above if noun not in word]
    if broader:
        entry["related"] = {"broader": broader}
    return {**entry, "tests": tests}


def main() -> None:
    """Writes wordnet.jsonl beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder with data.noun")
    parser.add_argument("--output", type=Path, default=HERE / "wordnet.jsonl")
    options = parser.parse_args()
    synsets = read_synsets(options.data)
    fields = NOUNS.split()
    chosen = list(zip(fields[::2], fields[1::2], strict=True))
    names = invented_names(len(chosen), known_words(options.data))
    with options.output.open("w", encoding="utf-8") as file:
        for (offset, noun), name in zip(chosen, names, strict=True):
            line = json.dumps(term(synsets, offset, noun, name), ensure_ascii=False)
            file.write(f"{line}\n")
    print(f"{len(chosen)} nouns in {options.output}")


if __name__ == "__main__":
    main()
