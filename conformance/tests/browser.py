"""Does a report work in a real browser?

    cherrystone-conformance compare ... --report report.html
    python conformance/tests/browser.py report.html [BROWSER]

Needs the package playwright, and Chromium: its own, or the program given as BROWSER. The report must hold a failure.
"""

import pathlib
import sys

from playwright.sync_api import sync_playwright


def check(page, width):
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    page.goto(pathlib.Path(sys.argv[1]).resolve().as_uri())
    shown, total = page.inner_text("#shown").split(" shown")[0].split(" of ")
    assert 0 < int(shown) <= int(total), "failures are shown first"
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out"
    page.keyboard.press("/")
    page.keyboard.type("no case has such a name")
    assert page.is_visible("#none") and page.inner_text("#shown").startswith("0 of")
    page.fill("#search", "")
    name = page.locator("details.case:not([hidden])").first.get_attribute("id")
    first = page.locator(f"[id='{name}']")
    first.locator("summary").click()
    assert first.locator(".sides pre").count() >= 2, "octets and answer side by side"
    left, right = (first.locator(".sides figure").nth(n).bounding_box() for n in (0, 1))
    assert (left["y"] == right["y"]) == (width > 640), "side by side, on a phone one below the other"
    page.locator(".cites").first.click()
    requirement = page.input_value("#search")
    assert requirement and requirement in page.locator("details.case:not([hidden])").first.locator(".requires").text_content()
    page.select_option("#level", "may")
    page.evaluate("id => { location.hash = id }", name)
    page.wait_for_timeout(200)
    assert first.is_visible() and page.input_value("#search") == "", "a link shows what a filter hid"
    assert len(requests) == 1 and not errors, (requests, errors)


with sync_playwright() as playwright:
    program = {"executable_path": sys.argv[2]} if len(sys.argv) > 2 else {}
    browser = playwright.chromium.launch(args=["--no-sandbox"], **program)
    colours = set()
    for scheme, width in (("light", 1200), ("dark", 390)):
        page = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800}).new_page()
        check(page, width)
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(colours) == 2, "light and dark differ"
print("the report works")
