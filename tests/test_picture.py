"""The picture of the architecture is what its text says."""

import re
from xml.etree import ElementTree

import pytest

from docs import picture
from tests.standins.s3 import PROJECT

SOURCE = picture.SOURCE.read_text()
SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_is_drawn_from_its_text():
    assert picture.drawn(SOURCE) == (PROJECT / "docs" / "architecture.svg").read_text(), "run `make docs`"


def test_a_box_and_an_arrow_are_drawn_for_each_that_is_named():
    drawn = ElementTree.fromstring(picture.drawn(SOURCE))
    # One more is the ground, and one the head of the arrows.
    assert len(list(drawn.iter(f"{SVG}rect"))) == SOURCE.count("[box.") + 1
    assert len(list(drawn.iter(f"{SVG}path"))) == SOURCE.count("[[arrow]]") + 1
    assert drawn.findtext(f"{SVG}title").startswith("Every hour EventBridge Scheduler")


def test_every_colour_has_one_for_the_dark():
    light, dark = (set(re.findall(r"(--\w+):", line)) for line in picture.STYLE.splitlines() if "--ground:" in line)
    assert light == dark == set(re.findall(r"var\((--\w+)\)", picture.STYLE))


def test_a_text_that_does_not_fit_is_not_drawn():
    with pytest.raises(ValueError, match="too long for its box"):
        picture.drawn(SOURCE.replace('title = "SNS"', 'title = "Simple Notification Service"'))


def test_what_is_written_is_text_and_no_markup():
    assert "<title>&lt;b&gt;</title>" in picture.drawn(
        'alt = "<b>"\narrow = []\n[box.a]\nat = [0, 0]\ntitle = "<i>"\ntext = "&"'
    )
