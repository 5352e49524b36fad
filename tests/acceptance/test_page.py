"""The page in a real browser."""

import shutil

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium"),
]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, program):
    """Yield the page, and fail if it logged an error or asked any other host for anything."""
    page = browser.new_page(viewport={"width": 1000, "height": 1100})
    wrong = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request", lambda request: None if request.url.startswith((program.url, "blob:")) else wrong.append(request.url)
    )
    page.goto(program.url)
    yield page
    page.close()
    assert [one for one in wrong if "422" not in one] == []


def send(page, photo, name="photo.jpg"):
    page.set_input_files("#photo", {"name": name, "mimeType": "image/jpeg", "buffer": photo})


def test_a_photo_is_shown_with_boxes_and_names(page, astronaut):
    """Unknown first; enrolled on the page; then named."""
    send(page, astronaut)
    page.wait_for_selector("#result:not([hidden])")
    assert page.locator("#faces tr").count() == 1
    assert "unknown" in page.locator("#faces").inner_text().lower()
    page.fill("#person", "Eileen Collins")
    page.click("#enrol button")
    page.locator("#faces", has_text="Eileen Collins").wait_for()
    painted = page.evaluate(
        """() => {
            const canvas = document.querySelector('#canvas')
            const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
            return [canvas.width, canvas.height, new Set(data).size]
        }"""
    )
    assert painted[0] >= 300
    assert painted[1] == painted[0]
    assert painted[2] > 50


def test_a_file_that_is_no_photo_is_explained(page):
    """In the words of the service, where a screen reader hears them."""
    send(page, b"this is a letter", "letter.jpg")
    page.locator("#message", has_text="JPEG").wait_for()


def test_an_empty_file_is_explained(page):
    """It is not sent, and choosing it does not look like choosing nothing."""
    send(page, b"", "empty.jpg")
    page.locator("#message", has_text="empty.jpg is empty").wait_for()


def test_the_page_fits_a_phone(browser, program, astronaut):
    """Nothing is cut off at 360 pixels, before and after a photo."""
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto(program.url)
    send(page, astronaut)
    page.wait_for_selector("#result:not([hidden])")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.close()


def test_the_documentation_of_the_interface_needs_no_other_host(browser, program):
    """/docs works on a machine without a network."""
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{program.url}/docs")
    page.get_by_text("/v1/identify").first.wait_for()
    assert {url for url in asked if not url.startswith((program.url, "data:", "blob:"))} == set()
    page.close()
