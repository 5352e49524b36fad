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
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET, timeout=120_000)
        yield browser
        browser.close()


def opened(browser, **options):
    """Open a page that waits as long as a slow machine takes for a photo."""
    page = browser.new_page(**options)
    page.set_default_timeout(90_000)
    return page


@pytest.fixture
def page(browser, program):
    """Yield the page, and fail if it logged an error or asked any other host for anything."""
    page = opened(browser, viewport={"width": 1000, "height": 1100})
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
    page.locator("#message", has_text="Eileen Collins is enrolled").wait_for()  # said once the photo is drawn
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


def test_a_photo_that_is_dropped_beside_the_box_is_taken_too(page):
    """The browser would open it in place of the page; letters dropped on the name are its own."""
    dropped = """([kind, place]) => {
        const data = new DataTransfer()
        if (kind === 'file') data.items.add(new File([], 'dropped.jpg')); else data.setData('text/plain', 'Eileen')
        const options = { dataTransfer: data, bubbles: true, cancelable: true }
        const events = ['dragover', 'drop'].map((name) => new DragEvent(name, options))
        events.forEach((event) => document.querySelector(place).dispatchEvent(event))
        return events.map((event) => event.defaultPrevented)
    }"""
    assert page.evaluate(dropped, ["file", "header h1"]) == [True, True]
    page.locator("#message", has_text="dropped.jpg is empty").wait_for()
    assert page.evaluate(dropped, ["text", "#person"]) == [False, False]


def test_collections_that_come_late_take_back_nothing_that_was_said(browser, program):
    """Whoever is quicker than the list of collections still reads what was wrong with the file."""
    page = opened(browser)
    late = []

    def hold(route):
        late.append(route)

    page.route("**/v1/collections?*", hold)
    page.goto(program.url)
    send(page, b"", "empty.jpg")
    page.locator("#message", has_text="empty.jpg is empty").wait_for()
    late[0].continue_()
    page.locator("#collection option").first.wait_for(state="attached")
    page.evaluate("new Promise((done) => setTimeout(done))")
    assert "empty.jpg is empty" in page.locator("#message").inner_text()
    page.close()


def test_a_double_click_enrols_once(page, astronaut_again):
    """And says that it did, not that it was done before."""
    send(page, astronaut_again)
    page.fill("#person", "Twice Clicked")
    sent = []
    page.on("request", lambda request: sent.append(request.url) if "person=" in request.url else None)
    page.dblclick("#enrol button")
    page.locator("#message", has_text="Twice Clicked is enrolled").wait_for()
    assert len(sent) == 1


def test_all_collections_are_listed(page, program):
    """Of a thousand and more; else the page would search the first one for want of `default`."""

    def listing(route):
        names, after = (["default"], None) if "after=b" in route.request.url else (["a", "b"], "b")
        items = [{"collection_id": name, "persons": 0} for name in names]
        route.fulfill(json={"items": items, "next_after": after})

    page.route("**/v1/collections?*", listing)
    page.reload()
    page.locator("#collection option", has_text="default").wait_for(state="attached")
    assert page.locator("#collection option").count() == 3
    assert page.input_value("#collection") == "default"


def test_a_page_that_was_open_before_the_service_is_of_use(browser, program, astronaut):
    """What it could not be told then it asks for with the first photo."""
    page = opened(browser)
    page.route("**/v1/collections?*", lambda route: route.abort(), times=1)
    page.goto(program.url)
    page.locator("#message", has_text="cannot be reached").wait_for()
    send(page, astronaut)
    page.fill("#person", "Eileen Collins")
    page.click("#enrol button")
    page.locator("#message", has_text="enrolled").wait_for()
    assert page.input_value("#collection") == "default"
    page.close()


def test_a_photo_that_waits_for_the_collections_gives_way_to_the_next_one(browser, program, astronaut):
    """Were both sent, the answer to the first could come last, and stand under the second."""
    page, held, sent = opened(browser), [], []
    page.route("**/v1/collections?*", lambda route: route.abort(), times=1)
    page.goto(program.url)
    page.locator("#message", has_text="cannot be reached").wait_for()
    page.route("**/v1/collections?*", lambda route: held.append(route))  # noqa: PLW0108 playwright looks at its code
    page.on("request", lambda request: sent.append(request.url) if "/v1/identify" in request.url else None)
    for _ in range(2):
        with page.expect_request("**/v1/collections?*"):
            send(page, astronaut)
    for route in held:
        route.continue_()
    page.locator("#message", has_text="One face").wait_for()
    assert len(sent) == 1
    page.close()


def test_the_page_fits_a_phone_whatever_the_names(browser, program, astronaut):
    """Of 255 characters without a place to break, as names may be."""
    long = "W" * 255
    page = opened(browser, viewport={"width": 360, "height": 740})
    page.goto(program.url)
    page.request.post(f"{program.url}/v1/collections", data={"collection_id": long})
    page.reload()
    page.select_option("#collection", long)
    send(page, astronaut)
    page.fill("#person", long)
    page.click("#enrol button")
    page.locator("#message", has_text="is enrolled").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.request.delete(f"{program.url}/v1/collections/{long}")
    page.close()


def test_the_page_fits_a_phone(browser, program, astronaut):
    """Nothing is cut off at 360 pixels, before and after a photo."""
    page = opened(browser, viewport={"width": 360, "height": 740})
    page.goto(program.url)
    send(page, astronaut)
    page.wait_for_selector("#result:not([hidden])")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.close()


def test_the_documentation_of_the_interface_needs_no_other_host(browser, program):
    """/docs works on a machine without a network."""
    page = opened(browser)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{program.url}/docs")
    page.get_by_text("/v1/identify").first.wait_for()
    assert {url for url in asked if not url.startswith((program.url, "data:", "blob:"))} == set()
    page.close()
