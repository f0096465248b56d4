import re
from html.parser import HTMLParser

import pytest
from sample import sample_report

from edgekit.report.bars import bars
from edgekit.report.html import render

VOID = {"meta", "br"}


class Checker(HTMLParser):
    """Collects text and checks that every element is closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page():
    return render(sample_report())


@pytest.fixture(scope="module")
def parsed(page):
    checker = Checker()
    checker.feed(page)
    return checker


def test_well_formed(parsed):
    assert parsed.open == []


def test_needs_nothing_from_elsewhere(page, parsed):
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in parsed.tags}
    assert "http" not in page
    assert "url(" not in page
    assert not [name for _, attributes in parsed.tags for name in attributes if name in ("src", "href", "onclick")]


def test_kernels_that_nobody_counted_are_shown(parsed):
    assert "kernels that nobody counted: sort.float32 as elementwise.float32" in parsed.text


def test_outside_text_is_escaped(page, parsed):
    assert "digits_<mobilenet>" in "".join(parsed.text)
    assert "<mobilenet>" not in page
    assert "<native>" not in page


def test_phone_and_dark_mode(page):
    assert 'name="viewport"' in page
    assert "prefers-color-scheme: dark" in page
    assert "overflow-x: auto" in page


@pytest.mark.parametrize("fact", [
    "a format could not be made as asked", "w8a8-static", "xnnpack", "1.250 MB (1.000 MB compressed)",
    "24.3 dB", "32 inputs", "accuracy 97.83 → 97.55 %", "1 named", "2.0 % of MACs", "MISSED size_mb", "verified",
    "not evaluated", "image int8 [1, 3, 64, 64] nhwc, scale 0.0078125, zero point -3", "logits float32 [1, 10]",
    "top-1 agreement 96.9 % (measured, 32 inputs: calibration)", "4.21 ms predicted", "6.5 ms measured",
    "macs 50 M → 27.34 M (-45.3 %)", "ratio 0.3", "child-crashed", "read the log", "Google Pixel 8", "QDQ, opset 23",
    "abababab", "scheme w8a8-static, keep_float none", "2.50 s", "cached", "700 MB", "labels() has [9] names",
])
def test_facts_are_shown(parsed, fact):
    assert fact in "".join(parsed.text)


def test_bars_are_to_scale():
    svg = bars("Size", [("a", 1.0, "1 MB"), ("b", 4.0, "4 MB"), ("equal", None, "exactly equal"), ("bad", -2.0, "-2")],
               limit=2.0)
    small, large, equal, negative = (float(w) for w in re.findall(r'<rect [^>]*width="([\d.]+)"', svg))
    assert large / small == pytest.approx(4, rel=0.01)
    assert equal > large
    assert negative == 0
    assert "limit 2" in svg
