"""A call in ten stops (DESIGN.md) leads through files that are there, and names what is in them."""

import re
from pathlib import Path

SOURCES = Path("server/llmsvc_server")
STOP = re.compile(r"^\| (\d+) \| `([^`]+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")


def test_each_stop_is_where_it_is_said_to_be(root: Path) -> None:
    design = (root / "DESIGN.md").read_text(encoding="utf-8")
    stops = STOP.findall(design)
    elsewhere = []
    for stop, file, names, text in stops:
        code = (root / SOURCES / file).read_text(encoding="utf-8")
        elsewhere += [
            f"{stop}: {name} is not in {file}"
            for name in CODE.findall(names)
            if not re.search(rf"^ *(?:class|(?:async )?def) {name}\b", code, re.MULTILINE)
        ]
        elsewhere += [
            f"{stop}: there is no {named}"
            for named in CODE.findall(text)
            if named.endswith(".py") and not (root / SOURCES / named).exists()
        ]

    assert [str(number) for number in range(1, 11)] == [stop for stop, *_ in stops]
    assert [] == elsewhere
