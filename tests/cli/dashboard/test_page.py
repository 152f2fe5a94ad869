"""The page as people see it, in a real browser. `looking` also checks that no request leaves this
machine and that the console stays empty.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from apiserver.authorization import User
from tests.cli.dashboard.prepared import AWS, MARKUP
from tests.make.browser import DESKTOP, PHONE, dashboard, looking

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.cli.dashboard.prepared import Fleet

VIEWS = ("#/accounts", f"#/account/{AWS}", "#/pods/payments", "#/pod/payments/api-7d4b9c-1")
_CONTRAST = """() => {
  const light = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((part) => {
      const c = part / 255;
      return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const weak = [];
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || node.closest("noscript, .skip, option")) continue;
    const [a, b] = [light(getComputedStyle(node).color), light(behind(node))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) weak.push(walk.currentNode.data);
  }
  return weak;
}"""
"""Texts with less contrast than WCAG 2.2 AA asks for, 4.5:1."""


def test_the_failing_account_is_found_within_two_clicks(
    fleet: Fleet, url: str, browser: Browser
) -> None:
    """The first line says that pods wait and whose account fails; one click shows why."""
    fleet.outage()
    with looking(browser, url) as page:
        said = page.locator(".head").inner_text()
        assert "New pods that need aws-sm:/prod/orders/new-partner" in said
        assert f"Failing: {AWS} (denied), 7 of 10 snapshots" in said
        page.locator("#main").get_by_role("link", name=AWS).first.click()
        page.get_by_role("heading", name=f"Account {AWS}").wait_for()
        shown = page.locator("#main").inner_text()
        assert "login: Denied, circuit breaker open" in shown
        assert "5 calls per second, burst 10" in shown
        assert "the role of the account may not be assumed" in shown
        page.locator("tbody th a").first.click()
        page.get_by_text("never fetched. Reason: denied").wait_for()


def test_an_outage_shows_on_an_open_page_and_ends_on_it(
    fleet: Fleet, url: str, browser: Browser
) -> None:
    """Without a click: the page follows the cluster; what is typed and focused stays."""
    fleet.calm()
    with looking(browser, url) as page:
        assert page.locator("h1").inner_text() == "Pods start. All 9 snapshots are fresh."
        page.get_by_label("Text").fill("prod/o")
        fleet.outage()
        page.get_by_text("Failing: prod-aws (denied)").wait_for()
        assert page.get_by_label("Text").input_value() == "prod/o"
        assert page.evaluate("document.activeElement.id") == "by-text"
        assert page.locator("tbody tr").count() == 3
        fleet.lead(held=False)
        page.get_by_text("No controller is running").wait_for()


def test_filters_stand_in_the_address(fleet: Fleet, url: str, browser: Browser) -> None:
    """A reload, or a link in a new place of the same tab, shows the same rows."""
    fleet.outage()
    with looking(browser, url) as page:
        page.get_by_label("Account").select_option("platform-vault")
        page.get_by_label("Namespace").select_option("web")
        assert page.locator("tbody tr").count() == 1
        page.reload()
        page.locator("tbody tr").wait_for()
        assert page.locator("tbody tr").count() == 1
        assert "account=platform-vault" in page.url
        page.evaluate("location.hash = '#/?state=expired'")
        page.get_by_text("1 of 10").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_it_fits_and_can_be_read(
    fleet: Fleet, url: str, browser: Browser, size: tuple[int, int], scheme: str
) -> None:
    """No view scrolls sideways, all text has the contrast of WCAG AA, and each state has a word."""
    fleet.outage()
    with looking(browser, url, size, scheme=scheme) as page:
        for view in ("#/", *VIEWS):
            page.evaluate("view => location.hash = view", view)
            _settled(page, view)
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0], view
            assert page.evaluate(_CONTRAST) == [], view
        page.evaluate("location.hash = '#/'")
        _settled(page, "#/")
        words = {text.split()[0] for text in page.locator("tbody .state").all_inner_texts()}
        assert words == {"never-synced", "expired", "stale", "fresh"}


def test_a_keyboard_is_enough(fleet: Fleet, url: str, browser: Browser) -> None:
    """Tab and Enter lead to the failing account, and the focus can be seen."""
    fleet.outage()
    with looking(browser, url) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == AWS:
                break
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert page.evaluate(outline) == "solid"
        page.keyboard.press("Enter")
        page.get_by_role("heading", name=f"Account {AWS}").wait_for()


def test_markup_of_others_is_text(fleet: Fleet, url: str, browser: Browser) -> None:
    """A tenant's reference and a provider's message are shown as they are, and nothing runs."""
    fleet.hostile()
    with looking(browser, url, PHONE) as page:
        page.locator("tbody a").first.wait_for()
        assert MARKUP in page.locator("#main").inner_text()
        assert page.locator("#main img, #main script").count() == 0
        assert page.title().startswith("Pods start")
        assert "\\u202etxt.exe" in page.locator("#main").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        page.evaluate("location.hash = '#/account/' + encodeURIComponent('<b>x</b>')")
        page.get_by_role("heading", name="Account <b>x</b>").wait_for()


def test_a_user_of_one_namespace_sees_it_and_what_is_missing(
    fleet: Fleet, browser: Browser
) -> None:
    """With the right to view one namespace; without any right, the page names the one it needs."""
    fleet.outage()
    team = User("team", ("payments-team",))
    with (
        dashboard(fleet.server.kubeconfig("none", team, "payments")) as address,
        looking(browser, address) as page,
    ):
        assert page.locator("h1").inner_text() == "You may not see this"
        assert "you may not list SecretSnapshots in namespace payments" in _text(page)
        assert "lastgood-view" in _text(page)
    _bind(fleet, "payments-team", "payments")
    with (
        dashboard(fleet.server.kubeconfig("team", team, "payments"), "-A") as address,
        looking(browser, address) as page,
    ):
        page.locator("tbody tr").first.wait_for()
        assert page.locator("tbody tr").count() == 4
        assert "you may not list SecretAccounts" in _text(page)
        assert "only namespace payments is shown" in _text(page)


def test_a_page_without_a_cluster_and_one_without_a_server_say_so(
    fleet: Fleet, browser: Browser
) -> None:
    """What was read last stays, marked as old."""
    with dashboard(fleet.server.kubeconfig("operator"), "-A") as url, looking(browser, url) as page:
        assert page.locator("h1").inner_text() == "There is no snapshot yet."
        page.goto(url.partition("#")[0])
        page.evaluate("sessionStorage.clear()")
        page.reload()
        page.get_by_role("heading", name=re.compile("needs the address")).wait_for()
    with dashboard(fleet.server.kubeconfig("operator"), "-A") as url:
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        page.locator("h1").wait_for()
    page.get_by_text("Disconnected. Shown as of").wait_for()
    assert page.locator("h1").inner_text() == "There is no snapshot yet."
    context.close()


def test_nothing_is_read_while_no_page_is_open(fleet: Fleet, url: str, browser: Browser) -> None:
    """No Secret ever, and no request at all once the page is closed."""
    fleet.outage()
    before = len(fleet.server.seen())
    with looking(browser, url) as page:
        page.locator("tbody a").first.click()
        page.get_by_text("History").wait_for()
    after = fleet.server.seen()
    asked = after[before:]
    assert {item.method for item in asked if item.agent.startswith("lastgood-cli")} == {"GET"}
    assert [item.path for item in asked if "secrets" in item.path.split("/")] == []
    time.sleep(4)  # more than the page waits between two requests
    assert len(fleet.server.seen()) == len(after)


def _settled(page: Page, view: str) -> None:
    """Waits until the view shows what was read for it."""
    page.wait_for_function(
        "view => location.hash === view && document.querySelector('h1')"
        " && !document.getElementById('main').textContent.includes('Reading')",
        arg=view,
    )


def _text(page: Page) -> str:
    return page.locator("#main").inner_text()


def _bind(fleet: Fleet, group: str, namespace: str) -> None:
    """As `kubectl create rolebinding --clusterrole=lastgood-view`."""
    fleet.server.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": group, "namespace": namespace},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "lastgood-view",
            },
            "subjects": [{"kind": "Group", "name": group, "apiGroup": "rbac.authorization.k8s.io"}],
        }
    )
