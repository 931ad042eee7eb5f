"""Creates a tree of 2,000 text files with reproducible contents."""

from __future__ import annotations

import random
from pathlib import Path

FILES, FOLDERS = 2000, 40
SMALLEST, LARGEST = 4_000, 20_000  # file sizes in bytes
WORDS = """a the of and to in is for with as on by that from at this it be are or an not each one two data model
value node worker batch score table layer index sample label fold epoch weight rate loss grid task actor
return yield import class while print range list dict tuple array frame column length width"""


def plant(root: Path, name: str) -> Path:
    """Write the tree below `root` and return `root`.

    The tree's `job.py` prints one line. It contains `name`, so that a cluster that has received the tree under another
    name does not have this package yet.
    """
    rng = random.Random(0)
    words = WORDS.split()
    sentences = [" ".join(rng.choices(words, k=rng.randint(4, 14))) + "\n" for _ in range(2000)]
    for number in range(FILES - 1):
        file = root / f"part_{number % FOLDERS:02}" / f"text_{number:04}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text(rng, sentences))
    (root / "job.py").write_text(f'print("MARK 0", flush=True)  # {name}\n')
    return root


def text(rng: random.Random, sentences: list[str]) -> str:
    """Random sentences with a total size between SMALLEST and LARGEST."""
    size = rng.randint(SMALLEST, LARGEST)
    return "".join(rng.choices(sentences, k=size // 20))[:size]
