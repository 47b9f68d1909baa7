"""The table, for the terminal and as Markdown."""

from collections.abc import Sequence

from rich.table import Table

from tests.bench.row import Judged, Row

_COLUMNS = ("measure", "floor", "ours", "ours to floor", "must", "aim", "verdict")


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
    notes = [f"- {row.measure}: {'; '.join(_remarks(row))}." for row in rows if _remarks(row)]
    return "\n".join([*lines, "", *notes])


def cells(row: Row) -> list[str]:
    """Return one text for each column."""
    score = row.score()
    return [
        row.measure,
        _figures(row.floor, row.unit),
        _figures(row.ours, row.unit),
        "" if score is None or row.judged is Judged.VALUE else _judged(row, score, digits=3),
        "" if row.must is None else _judged(row, row.must),
        "" if row.aim is None else _judged(row, row.aim),
        row.verdict(),
    ]


def _judged(row: Row, value: float, digits: int = 2) -> str:
    match row.judged:
        case Judged.RATIO:
            return f"{value:.{digits}f} x"
        case Judged.ADDED:
            return f"{value:+.{digits}f} {row.unit}"
        case Judged.VALUE | Judged.NOTHING:
            return f"{value:g} {row.unit}".strip()


def _figures(values: Sequence[float], unit: str) -> str:
    return f"{' / '.join(_digits(value) for value in values)} {unit}".strip() if values else ""


def _digits(value: float) -> str:
    """Return about three digits."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _remarks(row: Row) -> list[str]:
    return [*([row.failure] if row.failure else []), *row.notes]


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"
