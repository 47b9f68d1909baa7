"""Names of models in sentences: plain ones only, few, and short."""

import re
from collections.abc import Iterable

MAX_NAMES = 5
MAX_LENGTH = 100
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,63}")


def is_plain(name: str) -> bool:
    """Return whether a name may stand in a sentence: a caller or an upstream made it up."""
    return _PLAIN.fullmatch(name) is not None


def join_names(names: Iterable[str]) -> str:
    """Return the first names in the order of the alphabet, and how many more; "" for none."""
    every = sorted(set(filter(is_plain, names)))
    shown: list[str] = []
    length = 0
    for name in every[:MAX_NAMES]:
        length += len(name) + 2
        if shown and length > MAX_LENGTH:
            break
        shown.append(name)
    more = f" and {len(every) - len(shown)} more" if len(every) > len(shown) else ""
    return ", ".join(shown) + more
