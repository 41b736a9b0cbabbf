"""Draws docs/architecture.toml as an SVG, on standard output.

It has a ground of its own, so it can be read on any page, and is dark where the reader's machine is set to dark.
"""

import sys
import tomllib
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

SOURCE = Path(__file__).parent / "architecture.toml"
WIDTH, HEIGHT = 166, 62
# Between two boxes, where an arrow has room for a word.
GAP = 60
MARGIN = 20
# Of a letter on the average, in bold and in plain: a text that does not fit its box is an error here.
BOLD, PLAIN = 6.9, 6.1

STYLE = """
  svg { --ground: #ffffff; --line: #57606a; --box: #f6f8fa; --main: #ddf4ff; --edge: #0969da; --text: #1f2328 }
  @media (prefers-color-scheme: dark) {
    svg { --ground: #0d1117; --line: #9198a1; --box: #161b22; --main: #0c2d6b; --edge: #4493f8; --text: #e6edf3 }
  }
  .ground { fill: var(--ground) }
  .box { fill: var(--box); stroke: var(--line) }
  .main { fill: var(--main); stroke: var(--edge); stroke-width: 1.5 }
  .outside { fill: none }
  .optional { stroke-dasharray: 5 4 }
  .arrow { fill: none; stroke: var(--line); stroke-width: 1.5 }
  .head { fill: var(--line) }
  text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--text) }
  .title { font-weight: 600 }
  .word { font-size: 11px; fill: var(--line) }
"""


def place(box: dict[str, Any]) -> tuple[float, float, float, float]:
    """Left, top, width and height."""
    column, row = box["at"]
    wide = box.get("wide", 1)
    left, top = MARGIN + column * (WIDTH + GAP), MARGIN + row * (HEIGHT + GAP)
    return left, top, wide * WIDTH + (wide - 1) * GAP, HEIGHT


def box_of(box: dict[str, Any]) -> str:
    left, top, width, height = place(box)
    for text, letter in ((box["title"], BOLD), (box["text"], PLAIN)):
        if len(text) * letter > width - 8:
            raise ValueError(f"{text!r} is too long for its box")
    kinds = " ".join(["box", *(kind for kind in ("main", "outside", "optional") if box.get(kind))])
    middle = left + width / 2
    return f"""\
<rect class="{kinds}" x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" rx="6"/>
<text class="title" x="{middle:g}" y="{top + 27:g}" text-anchor="middle">{escape(box["title"])}</text>
<text x="{middle:g}" y="{top + 45:g}" text-anchor="middle">{escape(box["text"])}</text>
"""


def arrow_of(arrow: dict[str, Any], boxes: dict[str, dict[str, Any]]) -> str:
    """Straight from edge to edge, in the middle of the narrower box."""
    (x1, y1, w1, h1), (x2, y2, w2, h2) = (place(boxes[arrow[end]]) for end in ("from", "to"))
    if y1 == y2:
        y = y1 + h1 / 2
        start, end = (x1 + w1, x2) if x1 < x2 else (x1, x2 + w2)
        line, middle = f"M{start:g} {y:g}H{end:g}", (start + end) / 2
        word = f'<text class="word" x="{middle:g}" y="{y - 8:g}" text-anchor="middle">'
    else:
        x = x1 + w1 / 2 if w1 < w2 else x2 + w2 / 2
        start, end = (y1 + h1, y2) if y1 < y2 else (y1, y2 + h2)
        line, middle = f"M{x:g} {start:g}V{end:g}", (start + end) / 2
        word = f'<text class="word" x="{x + 8:g}" y="{middle + 4:g}">'
    kinds = "arrow optional" if arrow.get("optional") else "arrow"
    heads = ' marker-start="url(#head)"' * arrow.get("both", False) + ' marker-end="url(#head)"'
    text = f"{word}{escape(arrow['text'])}</text>\n" if "text" in arrow else ""
    return f'<path class="{kinds}" d="{line}"{heads}/>\n{text}'


def drawn(source: str) -> str:
    picture = tomllib.loads(source)
    boxes = picture["box"]
    ends = [(left + width, top + height) for left, top, width, height in map(place, boxes.values())]
    width, height = max(end[0] for end in ends) + MARGIN, max(end[1] for end in ends) + MARGIN
    inner = "".join(box_of(box) for box in boxes.values())
    inner += "".join(arrow_of(arrow, boxes) for arrow in picture["arrow"])
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img">
<title>{escape(" ".join(picture["alt"].split()))}</title>
<style>{STYLE}</style>
<defs>
<marker id="head" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
<path class="head" d="M0 0L8 4L0 8z"/>
</marker>
</defs>
<rect class="ground" width="{width:g}" height="{height:g}" rx="8"/>
{inner}</svg>
"""


if __name__ == "__main__":
    sys.stdout.write(drawn(SOURCE.read_text()))
