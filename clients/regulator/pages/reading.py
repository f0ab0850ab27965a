"""The copy as pages see it: read anew, hashed and held against its checkpoint, at least every few seconds.

    with Copy(home, store).reading() as view:
        view.problems_of(kinds)              # what is red on a page, and why

The process that serves pages trusts nothing it read before: entries that were changed in the database, a checkpoint
that is not the log's or not theirs, and an alarm of the watching process are problems of every page that draws on them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from clients.regulator.case import Case
from clients.regulator.findings import Finding, StepResult
from clients.regulator.home import RegulatorHome
from clients.regulator.inquiries.draws import DrawSeen
from clients.regulator.mirror.store import Alert, Held, MirrorStore
from clients.regulator.pages.cards import read_card
from clients.regulator.pages.material import Material
from clients.regulator.policy import Policy
from clients.regulator.watch.judge import Judge
from federation.oversight import Roster
from protocols.errors import ProtocolError
from protocols.lookup.context import EpochContext
from protocols.transparency import Checkpoint, Frontier, cosignature_time, leaf_hash, open_checkpoint

FRESH_S = 3.0
_LEDGER = "ledger-entry"


@dataclass(frozen=True)
class Problem:
    """Why something is red. `kinds`: of the entries it is about; empty: it is about everything."""

    what: str
    text: str
    kinds: frozenset[str] = frozenset()
    institution: str = ""


@dataclass(frozen=True)
class View:
    """One state of the copy. `newest`: its checkpoint, where the log signed one; `size`: entries there are."""

    policy: Policy
    held: Held | None
    newest: Checkpoint | None
    size: int
    material: Material
    account_kinds: dict[str, int]
    roster: Roster
    draws: Mapping[str, DrawSeen]
    epochs: Mapping[bytes, EpochContext]
    published: tuple[tuple[str, dict[str, Any]], ...]
    plans: dict[str, Any]
    results: tuple[StepResult, ...]
    problems: tuple[Problem, ...]
    witnesses: tuple[tuple[str, int | None], ...]
    quorum: str
    verdict: tuple[float, dict[str, Any]] | None
    alerts: tuple[Alert, ...]
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)

    def problems_of(self, kinds: Collection[str]) -> tuple[Problem, ...]:
        """Those of everything, and those about entries of `kinds`; all of them where `kinds` is empty."""
        return tuple(each for each in self.problems if not kinds or not each.kinds or each.kinds & set(kinds))


class Copy:
    """Read by one thread at a time. A view is at most FRESH_S old; what is as it was is not judged twice."""

    def __init__(self, home: RegulatorHome, store: MirrorStore, fresh: float = FRESH_S) -> None:
        self._home, self._store, self._fresh = home, store, fresh
        self._lock = threading.Lock()
        self._view: View | None = None
        self._until = 0.0
        self._judge: Judge | None = None
        self._material = Material()

    @contextmanager
    def reading(self) -> Iterator[View]:
        """The state now, held still for the block. Raises ConfigurationError where the policy cannot be read."""
        with self._lock:
            if self._view is None or monotonic() >= self._until:
                self._view = self._read()
                self._until = monotonic() + self._fresh
            yield self._view

    def _read(self) -> View:
        policy, held = self._home.policy, self._store.newest()
        tree = self._follow(policy, held)
        judge = self._judge
        assert judge is not None  # noqa: S101
        newest, problems = _checkpoint(policy, held, tree)
        verdict = self._store.verdict()
        problems += self._alarm() + _findings(judge, self._material)
        if verdict is not None:
            said = {problem.text for problem in problems}
            problems += [problem for problem in _failed_steps(verdict[1]) if problem.text not in said]
        account = judge.case.account
        witnesses, quorum = _witnesses(judge.case, held, newest)
        published = tuple((kind, dict(content)) for kind, content in account.published)
        return View(
            policy=policy,
            held=held,
            newest=newest,
            size=tree.size,
            material=self._material,
            account_kinds=dict(account.kinds),
            roster=judge.case.roster,
            draws=dict(judge.draws.seen),
            epochs=dict(judge.epochs),
            published=published,
            plans=dict(account.plans),
            results=judge.results,
            problems=tuple(problems),
            witnesses=witnesses,
            quorum=quorum,
            verdict=verdict,
            alerts=tuple(self._store.alerts()),
            documents=self._cards(published),
        )

    def _follow(self, policy: Policy, held: Held | None) -> Frontier:
        """Hash all entries; judge those that are new. Everything again where what was judged is not there any more."""
        judge = self._judge
        known = None if judge is None or judge.case.policy != policy else (judge.size, judge.case.tree.root)
        tree, fresh = Frontier(), known is None
        if fresh:
            judge, self._material = Judge(policy), Material()
        for data in self._store.entries(0, 0 if held is None else held.size):
            if known is not None and not fresh and tree.size == known[0]:
                if tree.root != known[1]:
                    break
                fresh = True
            tree, _ = tree.append(leaf_hash(data))
            if fresh and judge is not None:
                line, _ = judge.take(data)
                self._material.take(line)
        self._judge = judge
        if known is not None and (tree.size < known[0] or (tree.size == known[0] and tree.root != known[1])):
            self._judge = None
            return self._follow(policy, held)
        return tree

    def _alarm(self) -> list[Problem]:
        if not self._home.alarm.exists():
            return []
        try:
            code = str(json.loads(self._home.alarm.read_bytes())["code"])
        except (OSError, ValueError, KeyError, TypeError):
            code = "alarm"
        words = {
            "log_forked": "the log showed a checkpoint that does not append to the one it showed before",
            "log_went_back": "the log showed a checkpoint of fewer entries than before",
        }
        text = f"{words.get(code, code)}; both notes are in alarm.json and nothing is cosigned"
        return [Problem(code, text)]

    def _cards(self, published: tuple[tuple[str, dict[str, Any]], ...]) -> dict[str, dict[str, Any]]:
        """{run: card} of the cards in HOME/documents; whether their hash was logged is said beside them."""
        runs = {str(content.get("run_id")) for kind, content in published if kind == "model"}
        cards = {run: read_card(self._home.documents, run, published) for run in sorted(runs)}
        return {run: card for run, card in cards.items() if card is not None}


def _checkpoint(policy: Policy, held: Held | None, tree: Frontier) -> tuple[Checkpoint | None, list[Problem]]:
    if held is None:
        return None, [Problem("copy", "nothing was fetched yet: `fedscore regulator watch` fetches the log")]
    try:
        found = open_checkpoint(held.note, policy.log)
    except ProtocolError as error:
        return None, [Problem("checkpoint", f"the newest checkpoint is not the log's: {error}")]
    if (found.size, found.root) == (tree.size, tree.root):
        return found, []
    text = (
        f"the copy was changed: {tree.size} entries with root {tree.root.hex()[:16]}, "
        f"but the checkpoint is of {found.size} with root {found.root.hex()[:16]}"
    )
    return found, [Problem("copy", text)]


def _findings(judge: Judge, material: Material) -> list[Problem]:
    found = []
    for result in judge.results:
        for finding in result.findings:
            index = finding.index
            of_ledger = finding.sequence is not None or (index is None and finding.institution)
            kind = _LEDGER if of_ledger else "" if index is None else material.kinds.get(index, "unreadable")
            kinds = frozenset({kind} - {""}) if kind != "unreadable" else frozenset()
            text = f"{finding} (step {result.number}: {result.title.lower()})"
            found.append(Problem(f"step {result.number}", text, kinds, finding.institution or ""))
    return found


_JUDGED_LIVE = {2, 3, 8}
_STEP_KINDS: dict[int, frozenset[str]] = {7: frozenset({_LEDGER}), 10: frozenset({_LEDGER})}


def _failed_steps(verdict: dict[str, Any]) -> list[Problem]:
    """Of the last complete verification; steps that are judged here as well are not said twice."""
    found = []
    for step in verdict["steps"]:
        for finding in step["findings"] if step["number"] not in _JUDGED_LIVE else ():
            text = f"{Finding(**finding)} (step {step['number']}: {step['title'].lower()})"
            kinds = _STEP_KINDS.get(step["number"], frozenset())
            found.append(Problem(f"step {step['number']}", text, kinds, finding.get("institution") or ""))
    return found


def _witnesses(
    case: Case, held: Held | None, newest: Checkpoint | None
) -> tuple[tuple[tuple[str, int | None], ...], str]:
    """(name, when it cosigned the newest checkpoint), and why there is no quorum of the policy ("" where there is)."""
    policy = case.policy
    times: list[tuple[str, int | None]] = []
    try:
        quorum = case.quorum if newest is None else case.quorum.at(newest.size)
    except ProtocolError as error:
        return tuple((named.name, None) for named in policy.witnesses), str(error)
    for named, witness in zip(policy.witnesses, quorum.witnesses, strict=True):
        try:
            when = None if held is None else cosignature_time(held.note, witness)
        except ProtocolError:
            when = None
        times.append((named.name, when))
    if held is None or newest is None:
        return tuple(times), "no checkpoint"
    try:
        quorum.check(held.note, policy.log)
    except ProtocolError as error:
        return tuple(times), str(error)
    return tuple(times), ""
