"""The tables of the report's page in windows of any width, measured in a browser."""

import base64
import io
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from reddit_etl.report import content, state, status
from reddit_etl.report.collection import Best, Collection, Rise, Trees
from reddit_etl.report.page import Page
from tests.standins.browser import Browser, browser

MEASURED = """
(() => {
  document.querySelectorAll('details').forEach(one => one.open = true);
  const scrolls = one => ['auto', 'scroll'].includes(getComputedStyle(one).overflowX);
  return [...document.querySelectorAll('table')].map(table => {
    let box = table.parentElement;
    while (!scrolls(box) && box.tagName != 'SECTION') box = box.parentElement;
    const style = getComputedStyle(box), edge = box.getBoundingClientRect().right - parseFloat(style.paddingRight);
    return {
      caption: table.caption.textContent,
      // Wider than its place, and whether the place then lets one see the rest.
      over: scrolls(box) ? box.scrollWidth - box.clientWidth : table.getBoundingClientRect().right - edge,
      scrolls: scrolls(box),
      keyboard: box.tabIndex == 0 && box.getAttribute('role') == 'region' && !!box.ariaLabel,
      cut: [...table.querySelectorAll('th, td')].filter(one => one.scrollWidth > one.clientWidth).length,
    };
  });
})()
"""
EDGE = """
(() => {
  const box = document.querySelector('[aria-label=Extracts]'), place = box.getBoundingClientRect();
  return {x: place.right + scrollX - 3, y: place.bottom + scrollY - 14, width: 3, height: 3, scale: 1};
})()
"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


def large(folder: Path) -> Path:
    """A page with the longest names, and the numbers of a large installation."""
    first, names = datetime.fromisoformat("2026-11-16"), [f"{letter * 20}_" for letter in "WMx"]
    facts = state.State(first, first + timedelta(days=7), read={first}, loaded={first})
    for name in names:
        facts.readings[f"r/{name} comments"] = state.Reading(168, 12_345_678, 123_456, 123_456, 168, 168, 123_456)
        facts.readings[f"r/{name} comments"].skipped["subscription_required"] = 168
        facts.gaps.append(state.Gap(f"r/{name} comments", "comments", "2026-11-16T05:00", "2026-11-16T06:00"))
    coverage = ["due", "done", "absent", "gone", "deferred", "missed", "unavailable", "fetched", "num_comments"]
    for title in (state.LOOKS, state.TREES):
        many = Counter(dict.fromkeys(coverage, 12_345_678))
        facts.readings[title] = state.Reading(168, 12_345_678, 0, 123_456, 0, 0, 0, coverage=many, suspicious=9)
    facts.reasons["comments", f"created_utc is not a time between {'1' * 30}"] = 123_456
    facts.removals.append(state.Removal(first, "noticed", 12_345, 1234.5, 1_234_567, 123_456))
    facts.seconds = {"transform": [123_456.0] * 9999}
    facts.zones = {"rejected/comments": (12_345_678, 999_000_000_000)}
    kinds = ["self", "link", "image", "crosspost", "poll", "video", "gallery"]
    found = Collection(band=(24, 48))
    for entity in ("posts", "comments"):
        found.per_hour[entity] = {name: Counter({first: 12_345_678}) for name in names}
    for name in names:
        found.kinds[name] = Counter(dict.fromkeys(kinds, 45_678))
        found.trees[name] = Trees(1_234_567, 1_234_567, 12_345_678, 12_345_678)
        found.rises.append(Rise(name, True, 24, 123_456, 24.0, 12_345.0))
        found.best.append(Best(name, 6, 3, 123_456, 0.51))
    found.rows = {"comment_metrics": 1_234_567_890}
    found.tombstones = {("comments", "moderator"): 12_345_678}
    page = Page(
        first=first,
        last=first,
        made_at=first,
        source="reddit",
        stores={"lake": f"s3://{'bucket-' * 9}/lake"},
        facts=list(status.facts(facts, first)),
        notices=["Receipts that could not be read: 9."],
        state=status.parts(facts, 9),
        collection=content.parts(found, facts.hours, has_trees=True),
    )
    path = folder / "large.html"
    path.write_text(page.html(), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [1280, 1000, 768, 390, 320])
def test_no_table_is_cut_and_none_scrolls_in_a_window_of_1280(tab: Browser, tmp_path: Path, width: int) -> None:
    tab.open(large(tmp_path), width=width)
    tables = tab.evaluate(MEASURED)
    assert len(tables) == 18
    assert [one for one in tables if one["cut"]] == []
    over = [one for one in tables if one["over"] > 0.5]
    assert [one for one in over if not one["scrolls"] or not one["keyboard"]] == []
    assert bool(over) == (width < 768), over
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("dark", [False, True])
def test_a_shadow_shows_that_a_table_scrolls_until_its_end_is_reached(tab: Browser, tmp_path: Path, dark: bool) -> None:
    def edge() -> set[tuple[int, int, int]]:
        shot = tab.do("Page.captureScreenshot", captureBeyondViewport=True, clip=tab.evaluate(EDGE))
        return set(Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB").get_flattened_data())

    tab.open(large(tmp_path), width=390, dark=dark)
    card = {(24, 29, 36) if dark else (255, 255, 255)}
    assert edge() != card
    tab.evaluate("document.querySelector('[aria-label=Extracts]').focus()")
    key = {"key": "ArrowRight", "code": "ArrowRight", "windowsVirtualKeyCode": 39}
    # Each is scrolled smoothly, in its own time.
    at_end = "(one => one.scrollLeft + one.clientWidth >= one.scrollWidth - 1)(document.activeElement)"
    presses = 0
    while not tab.evaluate(at_end) and presses < 500:
        tab.do("Input.dispatchKeyEvent", type="rawKeyDown", **key)
        tab.do("Input.dispatchKeyEvent", type="keyUp", **key)
        presses += 1
    assert presses > 0
    tab.evaluate("document.activeElement.blur()")
    assert edge() == card
