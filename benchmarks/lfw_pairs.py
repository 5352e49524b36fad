"""Turn LFW's list of pairs into the CSV that `facefleet evaluate` reads.

    python benchmarks/lfw_pairs.py ../shared/faces/lfw_dev/pairsDevTest.txt > pairs.csv

Lines of three fields name two photos of one person (`name  1  2`), lines of four two people (`name  1  other  2`);
the first line counts them. https://vis-www.cs.umass.edu/lfw/README.txt
"""

import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path


def pairs(lines: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """Yield (same, a, b) for each pair, photos as `NAME/NAME_0001.jpg`."""
    for line in lines:
        match line.split():
            case [name, first, second]:
                yield 1, photo(name, first), photo(name, second)
            case [name, first, other, second]:
                yield 0, photo(name, first), photo(other, second)


def photo(name: str, number: str) -> str:
    """Return where LFW keeps a person's photo."""
    return f"{name}/{name}_{int(number):04d}.jpg"


if __name__ == "__main__":
    with Path(sys.argv[1]).open(encoding="utf-8") as text:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(("same", "a", "b"))
        writer.writerows(pairs(text))
