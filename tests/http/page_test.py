# SPDX-License-Identifier: Apache-2.0
"""What users see of the page, in headless Chromium. Run by page_test.sh. With LOCKGATE_SCREENSHOTS=FOLDER it leaves
pictures there."""

import os
import time

from server_play import Server, write_tokens
from webdriver import ENTER, ESCAPE, TAB, Browser, WebDriverError

READER, ADMIN = "r" * 43, "a" * 43
# Each does something to a page that believes it, to the order of what is beside it, or to a reader's idea of it.
HOSTILE = "<img src=x onerror=\"document.title='owned'\">\u202egnp.exe\u200b"

LUMINANCE = """
const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const back = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const colour = parse(getComputedStyle(e).backgroundColor);
    if (colour.length < 4 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
const poor = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest("script, style, noscript, .unseen, option")) continue;
  const pair = [luminance(parse(getComputedStyle(element).color)), luminance(back(element))].sort((a, b) => b - a);
  const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
  if (ratio < 4.5) poor.push(element.tagName + " " + walker.currentNode.data.trim() + " " + ratio.toFixed(2));
}
return poor;
"""


def say(what):
    print(f"- {what}", flush=True)


def expect(true, what):
    if not true:
        raise AssertionError(what)


class Page:
    def __init__(self, browser):
        self.browser = browser
        self.shots = os.environ.get("LOCKGATE_SCREENSHOTS")

    def text(self, selector="body"):
        return self.browser.run("const e = document.querySelector(arguments[0]); return e ? e.innerText : ''", selector)

    def is_shown(self, selector):
        return self.browser.run("const e = document.querySelector(arguments[0]); return !!e && e.checkVisibility()", selector)

    def wait(self, what, seconds=20):
        """Until `what` (a function, or a JavaScript expression) is true."""
        limit = time.monotonic() + seconds
        true = what if callable(what) else lambda: self.browser.run(f"return {what}")
        while not true():
            if time.monotonic() > limit:
                self.picture("failed")
                raise AssertionError(f"waited in vain for: {what}\n{self.text()[:2000]}")
            time.sleep(0.03)

    def wait_for(self, text, selector="body"):
        self.wait(f"(document.querySelector({selector!r}) || {{}}).innerText?.includes({text!r})")

    def wait_without(self, text, selector="body"):
        self.wait(f"!document.querySelector({selector!r}).innerText.includes({text!r})")

    def wait_live(self):
        self.wait("document.getElementById('state').dataset.state === 'live'")

    def fill(self, text):
        self.browser.run("document.getElementById('filter').value = ''")
        self.browser.type("#filter", text or " ")

    def picture(self, name):
        if self.shots:
            self.browser.screenshot(f"{self.shots}/{name}.png")

    def expect_silent_console(self, *allowed):
        rest = [entry["message"] for entry in self.browser.log() if not any(part in entry["message"] for part in allowed)]
        expect(not rest, f"the console says: {rest}")


def some_locks(server, token=None):
    about = {"host": "build-7", "pid": 4711, "user": "ann", "command": "./deploy.sh", "reason": "release 1.4.2"}
    holds = {"deploy": server.acquire("deploy", token, value="v1.4.2", ttl_ms=60000, holder=about)}
    server.acquire("deploy", token, acquirer_id="q1", wait_ms=1, holder={"host": "build-8", "pid": 812, "user": "bob"})
    server.acquire("deploy", token, acquirer_id="q2", wait_ms=1, mode="shared", holder={"host": "build-9", "pid": 99, "user": "cleo"})
    for i, user in enumerate(("dan", "eve", "fay")):
        server.acquire("cache/npm", token, mode="shared", ttl_ms=30000, holder={"host": f"ci-{i}", "pid": 100 + i, "user": user, "command": "npm"})
    server.acquire("db/migrate", token, ttl_ms=3600000, value="step 3 of 9: " + "rebuild the index; " * 20,
                   holder={"host": "db-1", "pid": 77, "user": "postgres", "command": "migrate", "reason": "ticket 4821"})
    return holds


def check_empty_and_live(browser, server):
    say("where nothing is held, it tells how to take a lock")
    page = Page(browser)
    browser.size(1280, 900)
    browser.open(server.url + "/team/a/")
    page.wait_live()
    page.wait_for("No lock is held")
    expect(f"lockgate exec -b {server.url}/team/a deploy" in page.text("#how"), f"how: {page.text('#how')}")
    page.picture("empty")
    say("locks come and go without a reload")
    browser.run("window.here = true")
    holds = some_locks(server)
    page.wait_for("db/migrate", "#table")
    text = page.text("#table")
    for part in ("deploy", "ann@build-7", "pid 4711", "./deploy.sh", "release 1.4.2", "v1.4.2", "exclusive", "bob@build-8 812",
                 "cleo@build-9 99 (shared)", "cache/npm", "fay@ci-2", "1h", str(holds["deploy"]["fencing_token"])):
        expect(part in text, f"the table lacks {part}: {text}")
    expect(holds["deploy"]["handle"] not in browser.run("return document.documentElement.outerHTML"), "a handle is shown")
    expect("3 locks held, 5 holders, 2 waiting" in page.text("#sums"), page.text("#sums"))
    times = browser.run("return [...document.querySelectorAll('#table time')].map((t) => [t.dateTime, t.title])")
    expect(len(times) >= 10 and all(at and title for at, title in times), f"times without an exact one: {times}")
    say("countdowns run, and begin anew with a renewal")
    left = "parseInt([...document.querySelectorAll('#table tr')].find((r) => r.innerText.includes('dan@')).querySelectorAll('time')[1].innerText)"
    before = browser.run(f"return {left}")
    page.wait(f"{left} < {before}")
    server.ask("POST", "/v1/renew", {"name": "deploy", "handle": holds["deploy"]["handle"], "ttl_ms": 3000000})
    page.wait(lambda: "49m" in page.text("#table") or "50m" in page.text("#table"))
    server.ask("POST", "/v1/value", {"name": "deploy", "handle": holds["deploy"]["handle"], "value": "v1.4.3"})
    page.wait_for("v1.4.3", "#table")
    page.picture("desktop")
    check_filter(page)
    server.ask("POST", "/v1/leave", {"name": "deploy", "acquirer_id": "q1"})
    page.wait_without("bob@build-8", "#table")
    server.ask("POST", "/v1/leave", {"name": "deploy", "acquirer_id": "q2"})
    server.release("deploy", holds["deploy"]["handle"])
    page.wait_without("deploy.sh", "#table")
    expect(browser.run("return window.here"), "it was loaded anew")
    page.expect_silent_console()


def check_filter(page):
    say("the filter finds by everything that is shown")
    for text, name in (("postgres", "db/migrate"), ("NPM ci-1", "cache/npm"), ("v1.4.3", "deploy"), ("bob", "deploy")):
        page.fill(text)
        page.wait(f"document.querySelectorAll('#table tbody').length === 1 && document.querySelector('#table').innerText.includes({name!r})")
    page.fill("nothing of the kind")
    page.wait_for("No lock matches the filter")
    page.browser.click("#clear")
    page.wait("document.querySelectorAll('#table tbody').length === 3")
    page.browser.run("const o = document.getElementById('order'); o.value = 'waiting'; o.dispatchEvent(new Event('change'))")
    page.wait("document.querySelector('#table tbody .name').innerText === 'deploy'")
    page.browser.run("const o = document.getElementById('order'); o.value = 'name'; o.dispatchEvent(new Event('change'))")


def check_hostile(browser, server):
    say("what others wrote is text, and nothing that is not seen hides in it")
    page = Page(browser)
    about = {part: HOSTILE for part in ("host", "user", "command", "reason")}
    hold = server.acquire(HOSTILE, value=HOSTILE + "\x1b[31m\n</script><script>document.title='owned'</script>" + "x" * 60000, ttl_ms=60000, holder=about)
    expect(hold["outcome"] == "granted", f"{hold}")
    server.acquire(HOSTILE, acquirer_id="w", wait_ms=1, holder=about)
    server.acquire("שלום עולם", holder={"user": "רות"})
    page.wait_for("שלום", "#table")
    page.wait_for("\\u{202e}gnp.exe\\u{200b}", "#table")
    page.wait_for("\\u{001b}[31m\\n</script>", "#table")
    expect(browser.run("return document.querySelectorAll('main img, main script').length") == 0, "a name became an element")
    expect(browser.run("return /[\\u202a-\\u202e\\u2066-\\u2069\\u200b\\u001b]/.test(document.body.innerText)") is False, "it is unescaped somewhere")
    unsafe = browser.run("return [...document.querySelectorAll('*')].filter((e) => [...e.attributes].some((a) => /[\\u202e\\u200b\\u001b]/.test(a.value))).length")
    expect(unsafe == 0, "an attribute has it unescaped")
    browser.click("#table details summary")
    page.wait("document.querySelector('#table details pre').innerText.length > 60000")
    browser.run("document.querySelector('#table button').click()")
    page.wait_for("\\u{202e}gnp.exe", "#ask-text")
    browser.keys(ESCAPE)
    expect("owned" not in browser.run("return document.title"), "a script of others ran")
    page.picture("hostile")
    server.ask("POST", "/v1/break", {"name": "שלום עולם"})
    page.expect_silent_console()


def check_widths_and_colours(browser, server):
    say("on a phone nothing has to be moved aside; contrast is enough in light and dark")
    page = Page(browser)
    hold = server.acquire("w" * 1000, holder={"host": "h" * 250, "user": "u" * 250, "command": "c" * 500}, ttl_ms=60000)
    page.wait_for("w" * 1000, "#table")
    for width, height in ((320, 640), (600, 800), (1280, 900), (1920, 1000)):
        browser.size(width, height)
        for scheme in ("light", "dark"):
            browser.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
            wide = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
            expect(wide[0] <= width, f"at {width} it is {wide} wide")
            poor = browser.run(LUMINANCE)
            expect(not poor, f"poor contrast at {width}, {scheme}: {poor}")
    server.release("w" * 1000, hold["handle"])
    page.wait_without("w" * 1000, "#table")
    server.ask("POST", "/v1/break", {"name": HOSTILE})
    server.ask("POST", "/v1/leave", {"name": HOSTILE, "acquirer_id": "w"})
    some_locks(server)
    page.wait_without("gnp.exe", "#table")
    page.wait_for("bob@build-8", "#table")
    browser.prefer(prefers_color_scheme="dark")
    browser.size(1280, 900)
    page.picture("dark")
    browser.size(320, 720)
    page.picture("phone-dark")
    browser.prefer(prefers_color_scheme="light")
    page.picture("phone")
    animated = browser.run("const e = document.getElementById('state'); e.dataset.state = 'connecting';"
                           "const name = getComputedStyle(e, '::before').animationName; e.dataset.state = 'live'; return name")
    browser.prefer(prefers_color_scheme="light", prefers_reduced_motion="reduce")
    still = browser.run("const e = document.getElementById('state'); e.dataset.state = 'connecting';"
                        "const name = getComputedStyle(e, '::before').animationName; e.dataset.state = 'live'; return name")
    expect((animated, still) == ("beat", "none"), f"motion: {animated}, {still}")
    browser.size(1280, 900)


def check_keyboard(browser):
    say("the keyboard reaches everything, and one sees where it is")
    page = Page(browser)
    reached, rounds = [], 0
    for _ in range(80):
        browser.keys(TAB)
        where = browser.run("""const e = document.activeElement, style = getComputedStyle(e);
            return [e.id || e.className || e.tagName, e.getAttribute('aria-label') || e.innerText,
                    e.matches(':focus-visible') && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2]""")
        if where[0] == "BODY":  # the end; the first round began where the focus happened to be
            rounds += 1
            if rounds == 2:
                break
            reached.clear()
            continue
        expect(where[2], f"one does not see that {where} has the focus")
        reached.append(where[0])
    everything = browser.run("return [...document.querySelectorAll('a, button, input, select, summary')]"
                             ".filter((e) => e.checkVisibility()).map((e) => e.id || e.className || e.tagName)")
    expect(sorted(set(everything)) == sorted(set(reached)), f"reached {reached} of {everything}")
    expect(len(reached) >= len(everything), f"reached {len(reached)} of {len(everything)}")
    names = browser.run("return [...document.querySelectorAll('#table button')].map((b) => b.getAttribute('aria-label'))")
    expect(len(names) == len(set(names)) and all(name.startswith("Break the hold of ") for name in names), f"buttons: {names}")
    labelled = browser.run("return [...document.querySelectorAll('input, select')].every((e) => e.labels.length === 1)")
    expect(labelled, "a field without a label")
    live = browser.run("const e = document.getElementById('live'); return [e.getAttribute('aria-live'), e.textContent]")
    expect(live[0] == "polite" and live[1], f"what is announced: {live}")
    page.expect_silent_console()


def check_nothing_leaves(browser, server):
    say("no request goes to anybody else")
    asked = browser.run("return performance.getEntriesByType('resource').map((e) => e.name)")
    expect(asked and all(name.startswith(server.url) or name.startswith("data:") for name in asked), f"{set(asked)}")


def check_break(browser, server, token=None):
    say("breaking a hold asks first, and then does it")
    page = Page(browser)
    page.wait_for("ann@build-7", "#table")
    browser.run("[...document.querySelectorAll('#table button')].find((b) => b.getAttribute('aria-label').includes('ann@')).focus()")
    browser.keys(ENTER)
    page.wait("document.getElementById('ask').open")
    expect("deploy, held by ann@build-7, pid 4711, which runs ./deploy.sh." in page.text("#ask-text"), page.text("#ask-text"))
    expect(browser.run("return document.activeElement.id") == "ask-no", "the harmless button is not the first")
    page.picture("break")
    browser.keys(ESCAPE)
    page.wait("!document.getElementById('ask').open")
    expect("ann@" in browser.run("return document.activeElement.getAttribute('aria-label')"), "the focus did not come back")
    expect("ann@build-7" in page.text("#table"), "it was broken without a yes")
    browser.keys(ENTER)
    page.wait("document.getElementById('ask').open")
    browser.keys(TAB, ENTER)
    page.wait_for("Broken: the hold of deploy by ann@build-7.", "#told-text")
    page.wait_without("ann@build-7", "#table")
    expect(browser.run("return document.activeElement !== document.body"), "the focus was lost")
    seen = server.ask("GET", "/v1/locks?name=deploy", token=token).json()["locks"][0]
    expect(not seen["holders"], f"it is still held: {seen}")


def check_reconnect(browser):
    say("where the server goes, it says so, and comes back with it")
    page = Page(browser)
    with Server() as server:
        port = server.port
        browser.open(server.url)
        page.wait_live()
        server.acquire("before", ttl_ms=60000)
        page.wait_for("before", "#table")
        expect(server.stop(), "the server did not end well with a stream open")
    page.wait("document.getElementById('state').dataset.state === 'lost'")
    page.wait_for("Disconnected: ", "#trouble-text")
    page.wait_for("What is shown is as of", "#trouble-text")
    expect(page.is_shown("#retry"), "nothing to try again with")
    expect("before" in page.text("#table"), "what was known is gone")
    page.picture("lost")
    with Server("--listen", f"127.0.0.1:{port}") as server:
        server.acquire("after")
        if page.is_shown("#retry"):
            browser.run("document.getElementById('retry').click()")
        page.wait_live()
        page.wait_for("after", "#table")
        expect("before" not in page.text("#table") and not page.is_shown("#trouble"), "the old state is left")
        browser.open("about:blank")
    browser.log()  # of course it complained of the server that was not there


def check_login(browser):
    say("with tokens it asks for one; a wrong one is told; it is kept for this tab alone")
    page = Page(browser)
    tokens = write_tokens("tokens", (READER, "reader", "read", "*"), (ADMIN, "ops", "admin", "*"))
    with Server("--tokens", tokens) as server:
        some_locks(server, ADMIN)
        browser.open(server.url)
        page.wait_for("This server wants a token")
        expect(browser.run("return document.activeElement.id") == "token", "the field has not the focus")
        expect(not page.is_shown("#locks") and not page.is_shown("#logout"), "it shows more than the question")
        page.picture("login")
        browser.keys(*"wrong", ENTER)
        page.wait_for("The server does not know this token.", "#login-wrong")
        expect(browser.run("return [sessionStorage.length, localStorage.length, document.cookie]") == [0, 0, ""], "a wrong token was kept")
        expect(not browser.run(LUMINANCE), "poor contrast")
        browser.keys(*READER, ENTER)
        page.wait_live()
        page.wait_for("ann@build-7", "#table")
        page.wait_for("reader, read", "#who")
        expect(not page.is_shown("#table button"), "a reader is offered to break holds")
        expect(browser.run("return [sessionStorage.length, localStorage.length, document.cookie]") == [1, 0, ""], "where the token is")
        expect(READER not in browser.run("return document.documentElement.outerHTML + location.href"), "the token is in the page")
        browser.call("POST", "/refresh", {})
        page.wait_for("ann@build-7", "#table")
        browser.click("#logout")
        page.wait_for("This server wants a token")
        expect("ann@build-7" not in browser.run("return document.documentElement.textContent"), "logged out, and the locks are still there")
        expect(browser.run("return sessionStorage.length") == 0, "logged out, and the token is still there")
        browser.keys(*ADMIN, ENTER)
        page.wait_for("ops, admin", "#who")
        page.wait("document.querySelectorAll('#table button').length > 0")
        check_break(browser, server, ADMIN)
        check_nothing_leaves(browser, server)
        page.expect_silent_console("401 (Unauthorized)")
        browser.run("sessionStorage.clear()")
        browser.open("about:blank")


def check_crowd(browser):
    say("with 5,000 locks it stays quick, and shows 500 rows")
    page = Page(browser)
    with Server() as server:
        import http.client
        import json
        connection = http.client.HTTPConnection(server.host, server.port)
        for i in range(5000):
            connection.request("POST", "/v1/acquire", json.dumps({"name": f"job/{i:04}", "request_id": f"r{i}", "ttl_ms": 600000,
                                                                 "holder": {"host": "h", "pid": i + 1, "user": "u", "command": "c"}}))
            connection.getresponse().read()
        browser.open(server.url)
        page.wait_for("The first 500 of 5,000 locks are shown.", "#more")
        rows = browser.run("return document.querySelectorAll('#table tbody tr').length")
        expect(rows == 500, f"{rows} rows")
        page.picture("crowd")
        browser.run("""window.worst = 0; let last = performance.now();
            const watch = (now) => { window.worst = Math.max(window.worst, now - last); last = now; requestAnimationFrame(watch); };
            requestAnimationFrame(watch)""")
        for i in range(5000, 5400):
            connection.request("POST", "/v1/acquire", json.dumps({"name": f"job/{i:04}", "request_id": f"r{i}"}))
            connection.getresponse().read()
        page.wait_for("of 5,400 locks are shown", "#more")
        page.fill("job/5399")
        page.wait("document.querySelectorAll('#table tbody').length === 1")
        worst = browser.run("return window.worst")
        say(f"the longest time between two frames: {worst:.0f} ms")
        expect(worst < 1500, f"it froze for {worst:.0f} ms")
        page.expect_silent_console()
        browser.open("about:blank")


def main():
    with Browser() as browser:
        with Server() as server:
            check_empty_and_live(browser, server)
            check_hostile(browser, server)
            check_widths_and_colours(browser, server)
            check_keyboard(browser)
            check_break(browser, server)
            check_nothing_leaves(browser, server)
            Page(browser).expect_silent_console()
            browser.open("about:blank")
        check_reconnect(browser)
        check_login(browser)
        check_crowd(browser)


try:
    main()
except (AssertionError, WebDriverError) as failed:
    print(f"FAILED: {failed}", flush=True)
    raise
