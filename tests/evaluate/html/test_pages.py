"""The pages, opened by a browser: whole, by themselves, readable, and deaf to hostile texts."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from samespace.errors import InputError
from samespace.evaluate.compare import Comparison, Grid, compare
from samespace.evaluate.html import write_comparison_html, write_report_html
from samespace.models import HashEmbedder
from tests.evaluate.compare.setting import corpus, questions

HOSTILE = (
    '<script>alert(1)</script><img src="http://example.org/x.png" onerror=alert(2)> & "quoted"'
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="opens the pages")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    documents = corpus(30)
    asked = questions(documents, 12)
    hostile = dataclasses.replace(asked.queries[0], text=f"{asked.queries[0].text} {HOSTILE}")
    asked = dataclasses.replace(asked, queries=(hostile, *asked.queries[1:]))
    grid = Grid(
        [HashEmbedder(128)],
        dimensions=(128, 64, 999),
        precisions=("float32", "binary"),
        modes=("dense", "hybrid", "lexical"),
    )
    return compare(documents, asked, tmp_path_factory.mktemp("pages") / "work", grid)


@dataclass
class Seen:
    """What happened while a page was open."""

    page: Any
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def marks(self, plot: str) -> int:
        return int(self.page.locator(f"svg#{plot} .mark").count())


def opened(browser: Any, path: Path, width: int = 1100, scheme: str = "light") -> Seen:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    seen = Seen(page)
    page.on("console", lambda message: seen.problems.append(message.text))
    page.on("pageerror", lambda error: seen.problems.append(str(error)))
    page.on("dialog", lambda dialog: seen.problems.append(dialog.message))
    page.on("request", lambda request: seen.requests.append(request.url))
    page.goto(path.as_uri())
    return seen


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (400, "dark")])
def test_comparison(
    comparison: Comparison, browser: Any, tmp_path: Path, width: int, scheme: str
) -> None:
    path = tmp_path / "page.html"
    write_comparison_html(path, comparison)
    seen = opened(browser, path, width, scheme)
    rows = len(comparison.rows)
    assert rows == 9
    assert seen.marks("speed") == seen.marks("size") == rows
    assert seen.marks("over-dimensions") == 4
    shown = sum(row.fastest or row.smallest or row.paired is None for row in comparison.rows)
    assert seen.marks("over-k") == shown
    bars = seen.page.locator("svg[id^=queries-]")
    assert bars.count() == 6
    for i in range(bars.count()):
        assert bars.nth(i).locator(".mark").count() == 12
    assert seen.page.locator("table").first.locator("tbody tr").count() == rows
    assert seen.page.get_by_text("the 128 of samespace-hash, got 999").count() == 2
    _sound(seen, path, width)


def test_many_rows_with_long_names(comparison: Comparison, browser: Any, tmp_path: Path) -> None:
    """Figures stay beside names, no label covers another, every group looks different."""
    rows = []
    for i in range(60):
        row = comparison.rows[i % len(comparison.rows)]
        model = f"organisation/{'very-long-' * 6}model-{i % 6}"
        index = dataclasses.replace(row.configuration.index, model=model)
        configuration = dataclasses.replace(row.configuration, index=index)
        rows.append(dataclasses.replace(row, configuration=configuration))
    path = tmp_path / "page.html"
    write_comparison_html(path, dataclasses.replace(comparison, rows=tuple(rows)))
    seen = opened(browser, path)
    table = seen.page.locator(".scroll").first
    assert table.evaluate("box => box.scrollWidth <= box.clientWidth + 1")
    covered = seen.page.evaluate(
        """() => [...document.querySelectorAll('svg.plot')].flatMap(svg => {
            const boxes = [...svg.querySelectorAll('text')].map(t => t.getBoundingClientRect());
            return boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b => a.width && b.width
                && a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom));
        }).length"""
    )
    assert covered == 0
    marks = seen.page.locator("ul.legend").first.locator("path").all()
    looks = [(mark.get_attribute("d"), mark.get_attribute("fill")) for mark in marks]
    assert len(set(looks)) == len(looks) > 8
    _sound(seen, path, 1100)


def test_hostile_query_is_text(comparison: Comparison, browser: Any, tmp_path: Path) -> None:
    row = comparison.rows[0].report
    report = dataclasses.replace(row, run=dataclasses.replace(row.run, name=HOSTILE))
    path = tmp_path / "report.html"
    write_report_html(path, report, queries=comparison.queries)
    seen = opened(browser, path, 400)
    assert seen.page.locator("h1").inner_text().endswith(HOSTILE)
    query = seen.page.locator("td", has_text="<script>alert(1)</script>")
    assert query.first.inner_text() == comparison.queries["q0"]
    assert seen.page.locator("script").count() == seen.page.locator("img").count() == 0
    assert seen.marks("metrics") == len(report.intervals)
    assert seen.marks("scores") == seen.marks("times") == 20
    _sound(seen, path, 400)


def _sound(seen: Seen, path: Path, width: int) -> None:
    """Nothing was fetched or complained about, nothing runs over the page, and all has a name."""
    assert seen.problems == []
    assert seen.requests == [path.as_uri()]
    page = seen.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for plot in page.locator("svg.plot").all():
        assert plot.get_attribute("role") == "img"
        assert plot.locator("> title").text_content()
        assert plot.locator("> desc").text_content()
    outside = page.evaluate(
        """() => [...document.querySelectorAll('svg.plot')].flatMap(svg => {
            const box = svg.getBoundingClientRect();
            if (!box.width) return [];  // in details that are closed
            return [...svg.querySelectorAll('text')].filter(text => {
                const b = text.getBoundingClientRect();
                return b.left < box.left - 1 || b.right > box.right + 1 || b.bottom > box.bottom + 1
                    || b.height < 9;
            }).map(text => svg.id + ': ' + text.textContent);
        })"""
    )
    assert outside == []
    page.close()


def test_a_report_without_times_or_texts(comparison: Comparison, tmp_path: Path) -> None:
    report = dataclasses.replace(comparison.rows[0].report, p50_ms=None, p99_ms=None)
    write_report_html(tmp_path / "page.html", report)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Time of a search" not in page
    assert ">q0<" in page


def test_one_row_and_the_test_split(comparison: Comparison, tmp_path: Path) -> None:
    only = [row for row in comparison.rows if row.paired is None]
    single = dataclasses.replace(
        comparison, rows=tuple(only), skipped=(), warnings=("so must not be called tested <",)
    )
    write_comparison_html(tmp_path / "page.html", single)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "must not be called tested &lt;" in page
    assert "Query by query" not in page
    assert "over dimensions" not in page


def test_a_path_that_cannot_be_written(comparison: Comparison, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_report_html(tmp_path / "no/such/page.html", comparison.rows[0].report)
