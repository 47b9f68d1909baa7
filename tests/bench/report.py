"""The table, for the terminal and as Markdown."""

from collections import Counter
from collections.abc import Sequence
from statistics import median

from rich.table import Table

from tests.bench.row import Judged, Row

_ABOUT = ("measure", "door", "against", "its figure")
_COLUMNS = (*_ABOUT, "ours", "judged", "must", "aim", "verdict")
_FEW = 2  # figures that are written out


def table(rows: Sequence[Row]) -> Table:
    """Return the rows for a terminal, notes below their row."""
    result = Table(*_COLUMNS, show_lines=True)
    for row in rows:
        measure, *others = cells(row)
        notes = "".join(f"\n  {note}" for note in _remarks(row))
        result.add_row(measure + notes, *others)
    return result


def markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table, and their notes as a list."""
    lines = [_line(_COLUMNS), _line(["---"] * len(_COLUMNS)), *(_line(cells(row)) for row in rows)]
    notes = [f"- {_title(row)}: {'; '.join(_remarks(row))}." for row in rows if _remarks(row)]
    return "\n".join([*lines, "", *notes])


def line(row: Row) -> str:
    """Return a row as one line, to be shown while others are still measured."""
    return f"  {', '.join(filter(None, cells(row)))}"


def summary(rows: Sequence[Row]) -> str:
    """Return how many rows came to which verdict, in words."""
    counts = Counter(row.verdict() for row in rows)
    return "Rows: " + ", ".join(f"{verdict} {counts[verdict]}" for verdict in sorted(counts)) + "."


def cells(row: Row) -> list[str]:
    """Return one text for each column."""
    score = row.score()
    return [
        row.measure,
        row.door,
        row.against,
        _figures(row.floor, row.unit),
        _figures(row.ours, row.unit),
        "" if score is None else _judged(row, score, digits=3),
        *("" if value is None else _judged(row, value) for value in row.demand),
        row.verdict(),
    ]


def _title(row: Row) -> str:
    return ", ".join(filter(None, (row.measure, row.door, row.against)))


def _judged(row: Row, value: float, digits: int = 2) -> str:
    match row.judged:
        case Judged.RATIO:
            return f"{value:.{digits}f} x"
        case Judged.ADDED:
            return f"{value:+.{digits}f} {row.unit}"
        case Judged.VALUE | Judged.NOTHING:
            return f"{value:.4g} {row.unit}".strip()


def _figures(values: Sequence[float], unit: str) -> str:
    """Return one or two figures as they are, of more the median, the least and the most."""
    if len(values) <= _FEW:
        return f"{' / '.join(map(_digits, values))} {unit}".strip() if values else ""
    least, most = _digits(min(values)), _digits(max(values))
    return f"{_digits(median(values))} ({least} to {most}) {unit}".strip()


def _digits(value: float) -> str:
    """Return about three digits."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _remarks(row: Row) -> list[str]:
    return [*([row.failure] if row.failure else []), *row.notes]


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"
