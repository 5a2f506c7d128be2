"""What only a real browser knows: whether a page fits a phone, and what becomes of it on paper."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report_runs import MANY, pretend_epochs, pretend_metrics, pretend_part, write_run
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from model.report.comparison import compare_runs
from model.report.comparison_page import build_comparison
from model.report.page import build_report
from model.report.pictures import Case, encode_picture
from model.report.runs import load_runs

PHONE = 390

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(not CHROMIUM or not DRIVER, reason="there is no chromium with its chromedriver")


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-background-networking", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    picture = encode_picture(Image.new("RGB", (280, 200), "grey"))
    cases = [
        Case(
            name="a" * 150, label=MANY[0], predicted=MANY[1], probability=0.9, picture=picture, heat=picture, kind=kind
        )
        for kind in ("mistake", "unsure")
        for _ in range(4)
    ]
    part = pretend_part(MANY, count=200, skill=2.0, group_size=4)
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(build_report(pretend_metrics(MANY, part=part), pretend_epochs(5), cases), encoding="utf-8")
    return path


def _open_on_phone(browser: webdriver.Chrome, page: Path) -> None:
    size = {"width": PHONE, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())


def _measure_width(browser: webdriver.Chrome) -> int:
    return int(browser.execute_script("return document.documentElement.scrollWidth"))


def test_report_fits_a_phone(browser: webdriver.Chrome, report: Path) -> None:
    _open_on_phone(browser, report)

    assert _measure_width(browser) == PHONE
    shown = (
        "return [...document.querySelectorAll('p, td, th, dd')]"
        ".filter(e => e.checkVisibility() && parseFloat(getComputedStyle(e).fontSize) < 10).map(e => e.textContent)"
    )
    assert browser.execute_script(shown) == []


def test_report_is_white_on_paper_and_cuts_no_picture(browser: webdriver.Chrome, report: Path) -> None:
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": dark})
    _open_on_phone(browser, report)

    style = "return getComputedStyle(document.querySelector('{}')).{}"
    assert browser.execute_script(style.format("body", "backgroundColor")) == "rgb(255, 255, 255)"
    assert browser.execute_script(style.format("body", "color")) == "rgb(0, 0, 0)"
    assert browser.execute_script(style.format(".gallery figure", "breakInside")) == "avoid"
    # Nobody can unfold the rest of a table there.
    is_seen = "return document.querySelector('details.rest td').checkVisibility({contentVisibilityAuto: true})"
    assert browser.execute_script(is_seen)
    paper = browser.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})
    assert base64.b64decode(paper["data"]).startswith(b"%PDF")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_report_follows_light_and_dark(browser: webdriver.Chrome, report: Path, scheme: str, is_dark: bool) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    _open_on_phone(browser, report)

    screenshot = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("L")
    assert (float(np.median(np.asarray(screenshot))) < 64) is is_dark
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_comparison_fits_a_phone(browser: webdriver.Chrome, tmp_path: Path) -> None:
    folders = [write_run(tmp_path / f"a_run_with_a_long_name_{k}", pretend_metrics(), None) for k in range(5)]
    page = tmp_path / "compare.html"
    page.write_text(build_comparison(compare_runs(load_runs(folders))), encoding="utf-8")

    _open_on_phone(browser, page)

    assert _measure_width(browser) == PHONE
