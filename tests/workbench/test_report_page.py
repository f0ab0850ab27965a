"""The report: complete, self-contained, honest where something is missing."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import recorded

from workbench.report import render
from workbench.report.page import plot


class Reader(HTMLParser):
    """Collects what a browser would fetch, and checks that elements close in order."""

    void = frozenset({"meta", "br", "img", "link", "input", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.ids += [found["id"]] if found.get("id") else []
        for name in ("src", "href", "xlink:href", "data", "action"):
            value = found.get(name)
            if value and not value.startswith("#"):
                self.fetched.append(value)
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.void:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag == "p" and self.open[-1] != "p":
            return
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()


@pytest.fixture(scope="module")
def page() -> str:
    return render(recorded.summary(), recorded.evidence())


def test_nothing_is_fetched_and_every_element_closes(page: str) -> None:
    reader = Reader()
    reader.feed(page)
    assert reader.fetched == []
    assert reader.open == []
    assert "script" not in reader.tags
    assert not re.search(r"url\((?!#)", page)
    assert "@import" not in page


def test_ids_are_unique_over_all_plots(page: str) -> None:
    reader = Reader()
    reader.feed(page)
    assert len(reader.ids) == len(set(reader.ids))
    for reference in re.findall(r'(?:url\(#|href="#)([^")]+)', page):
        assert reference in reader.ids


def test_every_figure_is_there(page: str) -> None:
    shown = recorded.summary()
    assert "0.7800" in page
    assert "0.950 of 1.00" in page
    assert shown["plan_hash"] in page
    assert page.count("<svg role") == 11
    assert page.count("does not verify") == 1
    assert "0.770 ± 0.020" in page
    assert "3.3 × 10⁻⁶" in page


def test_colours_follow_the_page_in_light_and_dark(page: str) -> None:
    assert "prefers-color-scheme: dark" in page
    for svg in plot(recorded.summary(), recorded.evidence()).values():
        assert not re.search(r"#[0-9a-f]{6}", svg)
    used = set(re.findall(r"var\(--([\w-]+)\)", page))
    light, dark = page.split("@media (prefers-color-scheme: dark)")
    defined = [set(re.findall(r"--([\w-]+):", part)) for part in (light, dark.split("</style>")[0])]
    assert used <= defined[0]
    assert defined[0] == defined[1]


def test_names_cannot_inject_markup() -> None:
    shown = recorded.summary()
    shown["data"]["description"] = "<script>alert(1)</script>"
    assert "<script>" not in render(shown, recorded.evidence())


def test_without_card_groups_and_influence_their_sections_are_left_out() -> None:
    found = recorded.evidence() | {"card": None, "fairness": None, "influence": None}
    page = render(recorded.summary(), found)
    assert "Who is accepted?" not in page
    assert "What moves the score?" not in page
    assert "the model card's own figures" not in page


def test_rows_that_were_not_judged_are_mentioned_where_there_are_any() -> None:
    shown = recorded.summary()
    assert "Another 17 were scored and not judged" in render(shown, recorded.evidence())
    shown["data"]["oracle_left_out"] = 0
    assert "not judged" not in render(shown, recorded.evidence())


def test_a_missing_figure_is_an_error_not_a_blank() -> None:
    shown = recorded.summary()
    del shown["epsilon"]["prv"]
    with pytest.raises(jinja2.UndefinedError):
        render(shown, recorded.evidence())


def test_private_queries_are_shown_with_what_each_party_saw(page: str) -> None:
    assert "3 of 4" in page
    assert page.count('<span class="no">no</span>') == 1  # the answer that is not the plain sum's
    for party in ("querier", "member", "relay", "pool"):
        assert f"what reaches a {party}" in page
    assert "125 kB" in page
    assert "0.7942" in page


def test_what_the_regulator_verified_is_shown_step_by_step_and_what_fails_stands_out(page: str) -> None:
    section = page[page.index("What can a regulator prove?") : page.index("<h2>The institutions</h2>")]
    for text in ("1 of 2", "1,384", "430 kB", "5 of 5", "2 of 3", "1 of 1 rounds replayed", "9 files", "nobody asked"):
        assert text in section
    assert re.findall(r'class="no">(\w+)<', section) == ["fails", "failed"]
    assert "Only replayed rounds show what production did." in section


def test_a_run_whose_rounds_cannot_be_replayed_says_so() -> None:
    shown = recorded.summary()
    shown["oversight"]["replayed"] = []
    assert "no round was replayed" in render(shown, recorded.evidence())


def test_an_identifier_that_reached_somebody_stands_out() -> None:
    found = recorded.evidence()
    found["lookup"]["seen"][2]["identifiers"] = 5
    assert '<span class="no">5</span>' in render(recorded.summary(), found)


def test_what_the_coordinator_saw_is_shown_round_by_round(page: str) -> None:
    section = page[page.index("What did the coordinator see") : page.index("What did it cost in privacy?")]
    for text in ("p = .421", "p  &lt; 10⁻³⁰⁰", "3 of 3", "61.4 kB", "none may be missing", "4.25", "3.50"):
        assert text in section
    assert section.count("<td>mains</td>") == 4
    assert "noisy sum of every round" in page
    assert "every noisy update" not in page


def test_local_noise_says_that_the_coordinator_saw_every_update() -> None:
    shown = recorded.summary() | {"masked": None, "noise": "local", "recipe": "fedavg", "trust": "need trust nobody"}
    page = render(shown, recorded.evidence() | {"masked": None})
    assert "the coordinator saw every institution's noisy update by itself" in page
    assert "every noisy update and one noisy histogram of each" in page
    assert "predicts too few defaults" in page
    assert page.count("<svg role") == 10


def test_who_may_drop_out_is_said() -> None:
    shown = recorded.summary()
    shown["masked"] |= {"droppers": 1, "survivors": 2}
    assert "those that answered" in render(shown, recorded.evidence())


def test_a_model_that_does_not_follow_stands_out(page: str) -> None:
    assert page.count("does not follow") == 1
    assert "4 rounds, own update in 4" in page


def test_without_private_queries_the_page_says_why() -> None:
    shown = recorded.summary()
    shown["lookup"] = {"left_out": "the catalogue taiwan names no subject"}
    shown |= dict.fromkeys(("consent", "spot_check", "inquiries", "blind", "dispute"))
    page = render(shown, recorded.evidence() | {"lookup": None})
    assert "No private queries in this run: the catalogue taiwan names no subject." in page
    assert page.count("<svg role") == 10
    assert "What each party saw" not in page


def test_permission_and_rights_are_told_with_who_asked_without(page: str) -> None:
    section = page[
        page.index("Who permitted it, and what can a person do?") : page.index("What did the coordinator see")
    ]
    for text in ("unknown_key", "she permitted none", "payment_ratio_3m", "541", "574", "612.41", "611.97", "22 of 23"):
        assert text in section
    assert section.count('class="no">1<') == 1  # the question of cassiopeia
    assert "Exactly the one question without consent is broken." in section
    assert "Epoch 1 stays as all members signed it" in section
    assert "did not wait for one" in section
    assert section.count("Proved") == 4
    assert section.lower().count("not proved") == 3


def test_a_spot_check_that_finds_something_else_stands_out() -> None:
    shown = recorded.summary()
    shown["spot_check"]["holds"] = False
    shown["inquiries"] |= {"found": [], "not_asked": 1}
    page = render(shown, recorded.evidence())
    assert "This is NOT what was to be found." in page
    assert "<td>nobody</td>" in page
    assert "1 kinds were left out" in page


def test_without_subjects_nobody_had_a_right_to_use() -> None:
    nobody = {"lookup": {"left_out": "the catalogue taiwan names no subject"}}
    nobody |= dict.fromkeys(("consent", "spot_check", "inquiries", "blind", "dispute"))
    page = render(recorded.summary() | nobody, recorded.evidence() | {"lookup": None})
    assert "nobody had a permission to give or a right to use: the catalogue taiwan names no subject." in page
    assert "holder of the oversight key" not in page
