"""A figure as an SVG element of a page: in the page's colours, as wide as its place, and with a description."""

import io
import re
from typing import Any
from xml.etree import ElementTree as ET

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

SVG = "http://www.w3.org/2000/svg"
LINK = "{http://www.w3.org/1999/xlink}href"

# A plot is drawn in these colours, each of which is replaced by a variable of the page's style; a dark page has other
# values.
COLOURS = {
    name: f"#0000{number:02x}"
    for number, name in enumerate(
        ("ink", "muted", "line", "bad", *(f"s{n}" for n in range(7)), *(f"h{n}" for n in range(7))), start=1
    )
}
_NAMES = {colour: name for name, colour in COLOURS.items()}
_COLOUR = re.compile(r"#0000[0-9a-f]{2}\b")
_NUMBER = re.compile(r"-?\d+\.\d+")
_FONT = re.compile(r"font:[^;]*?([\d.]+px)[^;]*")
SETTINGS: Any = {
    "svg.fonttype": "none",
    # A name of a subreddit is never a formula.
    "text.parse_math": False,
    "font.size": 10,
    "text.color": COLOURS["ink"],
    "axes.edgecolor": COLOURS["line"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.titlesize": 10,
    "axes.titlecolor": COLOURS["ink"],
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "figure.facecolor": "none",
    "grid.color": COLOURS["line"],
    "grid.linewidth": 0.6,
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "legend.frameon": False,
    "legend.fontsize": 9,
}
"""Matplotlib's settings in which a figure for `inline` is made."""


def inline(figure: Figure, name: str, title: str, text: str) -> str:
    """The SVG element. `name` is unique in the page, `title` and `text` are read by screen readers."""
    written = io.BytesIO()
    FigureCanvasSVG(figure).print_svg(written, metadata={"Date": None})
    # Written by matplotlib a line above.
    root = ET.fromstring(written.getvalue())  # noqa: S314
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{{{SVG}}}style" or child.tag.endswith("}metadata"):
                parent.remove(child)
        # Without white space, half of the size.
        parent.tail = None
        if len(parent):
            parent.text = None
    used = {found for one in root.iter() for found in _links(one)}
    for one in root.iter():
        _adapt(one, name, used)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.attrib |= {"role": "img", "aria-labelledby": f"{name}-title {name}-text", "class": "plot"}
    for place, (tag, content) in enumerate((("title", title), ("desc", text))):
        described = ET.Element(f"{{{SVG}}}{tag}", {"id": f"{name}-{'title' if tag == 'title' else 'text'}"})
        described.text = content
        root.insert(place, described)
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    return ET.tostring(root, encoding="unicode")


def _links(element: ET.Element) -> list[str]:
    return [element.attrib.get(LINK, "").removeprefix("#"), *re.findall(r"url\(#([^)]+)\)", str(element.attrib))]


def _adapt(element: ET.Element, name: str, used: set[str]) -> None:
    """Ids become unique in the page, or are left out; colours and fonts become those of the page."""
    attributes = element.attrib
    if "id" in attributes:
        if attributes["id"] in used:
            attributes["id"] = f"{name}-{attributes['id']}"
        else:
            del attributes["id"]
    if LINK in attributes:
        attributes[LINK] = f"#{name}-{attributes[LINK].removeprefix('#')}"
    if "clip-path" in attributes:
        attributes["clip-path"] = attributes["clip-path"].replace("url(#", f"url(#{name}-")
    for place in attributes.keys() & {"d", "x", "y"}:
        # A tenth of a unit cannot be seen.
        text = _NUMBER.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), attributes[place])
        attributes[place] = " ".join(text.split())
    if "style" in attributes:
        style = _COLOUR.sub(lambda found: f"var(--{_NAMES[found[0]]})", attributes["style"])
        attributes["style"] = _FONT.sub(r"font-size: \1", style)
