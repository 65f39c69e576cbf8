"""A headless Chromium that records requests and script errors; tests skip with the reason where there is none."""

import os
import shutil

import pytest


@pytest.fixture(scope="session")
def browser():
    """Selenium's driver of the installed Chromium, whose own services are off: only pages make requests."""
    required = os.environ.get("BLOTQUANT_REQUIRE_BROWSER")
    chromium = next(
        (p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None
    )
    driver_path = shutil.which("chromedriver")
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        webdriver = None
    missing = [
        what
        for what, there in (("chromium", chromium), ("chromedriver", driver_path), ("selenium", webdriver))
        if not there
    ]
    if missing:
        reason = f"no {' and no '.join(missing)}: install Debian's chromium and chromium-driver, and pip's selenium"
        if required:
            pytest.fail(reason)
        pytest.skip(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for switch in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--window-size=1250,900",
    ):  # fmt: skip
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(driver_path))
    yield driver
    driver.quit()
