"""A bar chart as inline SVG: a name, a bar and its figure a row, and a line at the limit."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["bars"]

_NAMES, _BARS, _FIGURES, _ROW, _TOP = 90, 200, 110, 26, 8  # SVG user units


def bars(title: str, rows: Sequence[tuple[str, float | None, str]], *, limit: float | None = None) -> str:
    """One bar a row ``(name, value, figure as text)``; None fills the row, a value under 0 has no bar.

    ``limit``: where the dashed line stands, in the values' own unit.
    """
    values = [value for _, value, _ in rows if value is not None]
    top = max([*values, limit or 0.0, 1e-9]) * 1.05
    height = _TOP + _ROW * len(rows) + 4
    parts = []
    for i, (name, value, text) in enumerate(rows):
        y = _TOP + i * _ROW
        width = _BARS if value is None else max(0.0, value) / top * _BARS
        parts.append(f'<text x="0" y="{y + 15}">{escape(name)}</text>'
                     f'<rect x="{_NAMES}" y="{y}" width="{width:.1f}" height="20" rx="3"/>'
                     f'<text x="{_NAMES + _BARS + 8}" y="{y + 15}">{escape(text)}</text>')
    if limit is not None:
        x = _NAMES + max(0.0, limit) / top * _BARS
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="2" y2="{height - 2}"><title>limit {limit:g}</title></line>')
    described = "; ".join(f"{name}: {text}" for name, _, text in rows)
    return (f"<figure><figcaption>{escape(title)}{'' if limit is None else f' (dashed: limit {limit:g})'}</figcaption>"
            f'<svg viewBox="0 0 {_NAMES + _BARS + _FIGURES} {height}" role="img" aria-label="{escape(described)}">'
            + "".join(parts) + "</svg></figure>")
