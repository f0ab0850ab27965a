"""The report's plots, each a function from plain numbers to one inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from workbench.report.theme import BAD, BANDS, FAINT, GOOD, INK, SERIES, drawing, quiet, to_svg

Points = Sequence[Sequence[float]]


def roc(curves: Mapping[str, Points], areas: Mapping[str, float]) -> str:
    """`curves` {name: [[false positive rate, true positive rate], ...]}; the first is drawn on top and boldest."""
    with drawing(5.4, 4.6) as (figure, axes):
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (3, 3)))
        for i, (name, points) in reversed(list(enumerate(curves.items()))):
            x, y = np.asarray(points).T
            label = f"{name}  {areas[name]:.3f}"
            axes.plot(x, y, color=SERIES[i], linewidth=2.6 if i == 0 else 1.4, label=label)
        axes.set(xlabel="goods refused", ylabel="bads refused", xlim=(0, 1), ylim=(0, 1.01))
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], labels[::-1], loc="lower right", title="AUC", alignment="left")
        return to_svg(figure, "roc", "ROC curves of the federated model and its baselines")


def comparison(values: Mapping[str, float], *, what: str) -> str:
    """One dot per model on one scale, the first (ours) marked."""
    names = list(values)
    with drawing(7.6, 0.36 * len(names) + 0.7) as (figure, axes):
        span = max(values.values()) - min(values.values()) or 0.01
        for i, name in enumerate(names):
            axes.plot([values[name]], [i], "o", color=SERIES[i], markersize=9 if i == 0 else 7)
            axes.text(values[name] + 0.02 * span, i, f"{values[name]:.4f}", va="center", fontsize=9)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(min(values.values()) - 0.15 * span, max(values.values()) + 0.30 * span)
        axes.set_xlabel(what)
        quiet(axes, y=True)
        axes.spines["left"].set_visible(False)
        return to_svg(figure, f"compare-{what.lower()}", f"{what} of the federated model and its baselines")


def calibration(curves: Mapping[str, Points]) -> str:
    """`curves` {name: [[predicted, observed], ...]} on the diagonal of a perfectly honest probability."""
    top = 1.08 * max(max(map(max, points)) for points in curves.values())
    with drawing(5.4, 4.6) as (figure, axes):
        axes.plot([0, top], [0, top], color=FAINT, linewidth=1, linestyle=(0, (3, 3)))
        for i, (name, points) in enumerate(curves.items()):
            x, y = np.asarray(points).T
            axes.plot(x, y, "o-", color=SERIES[i], markersize=5, linewidth=1.2, label=name)
        axes.set(xlabel="predicted default rate", ylabel="observed default rate", xlim=(0, top), ylim=(0, top))
        axes.legend(loc="lower right")
        return to_svg(figure, "calibration", "Predicted against observed default rate")


def scores(edges: Sequence[float], goods: Sequence[int], bads: Sequence[int], cuts: Sequence[float]) -> str:
    """Histogram of scores by outcome over `edges`, over the bands' ranges; `cuts` are the inner band edges."""
    with drawing(7.6, 3.6) as (figure, axes):
        left, width = np.asarray(edges[:-1]), np.diff(edges)
        total = max(sum(goods) + sum(bads), 1)
        good, bad = 100 * np.asarray(goods) / total, 100 * np.asarray(bads) / total
        axes.bar(left, bad, width, align="edge", color=BAD, label="bad within 12 months", linewidth=0)
        axes.bar(left, good, width, align="edge", bottom=bad, color=GOOD, label="good", linewidth=0, alpha=0.75)
        limits = (float(edges[0]), *map(float, cuts), float(edges[-1]))
        top = float((good + bad).max()) * 1.16
        for i, (low, high) in enumerate(pairwise(limits)):
            axes.axvspan(low, high, color=BANDS[min(i, len(BANDS) - 1)], alpha=0.12, linewidth=0, zorder=0)
            axes.text((low + high) / 2, top * 0.95, f"{low:.0f}–{high:.0f}", ha="center", fontsize=8.5)
        axes.set(xlabel="score", ylabel="% of subjects", xlim=(limits[0], limits[-1]), ylim=(0, top))
        quiet(axes, x=True)
        axes.legend(loc="center left")
        return to_svg(figure, "scores", "Distribution of scores by band and outcome")


def joint(edges: Sequence[float], shares: Mapping[str, Sequence[float]]) -> str:
    """Outlines of histograms over `edges`, one per number of institutions that know a person; shares sum to one."""
    with drawing(7.6, 3.2) as (figure, axes):
        for i, (members, share) in enumerate(shares.items()):
            label = f"known to {members}"
            axes.stairs(100 * np.asarray(share), edges, color=SERIES[i % len(SERIES)], linewidth=1.8, label=label)
        axes.set(xlabel="joint score", ylabel="% of persons", xlim=(edges[0], edges[-1]))
        quiet(axes, x=True)
        axes.legend(loc="upper left")
        return to_svg(figure, "joint", "Distribution of joint scores by the number of institutions that know a person")


def received(received: Sequence[int], bare: Sequence[int]) -> str:
    """How often each byte value occurred in what arrived under masks, and in what these hid."""
    with drawing(7.6, 3.6, nrows=2, sharex=True) as (figure, panels):
        for axes, counts, colour, label in (
            (panels[0], received, SERIES[0], "received"),
            (panels[1], bare, BAD, "without masks"),
        ):
            share = 100 * np.asarray(counts) / max(sum(counts), 1)
            axes.bar(np.arange(256), share, 1.0, color=colour, linewidth=0)
            axes.axhline(100 / 256, color=INK, linewidth=0.8, linestyle=(0, (3, 3)))
            axes.set_title(label, loc="left")
            axes.set(ylabel="% of bytes", xlim=(-0.5, 255.5))
            quiet(axes, x=True)
        panels[1].set_xlabel("value of a byte (dashed: uniform)")
        return to_svg(figure, "received", "Bytes that the coordinator received, and the same without masks")


def bands(names: Sequence[str], shares: Sequence[float], rates: Sequence[float]) -> str:
    """Observed default rate of each band, as bars, with the share of subjects in it."""
    with drawing(7.6, 2.6) as (figure, axes):
        place = np.arange(len(names))
        axes.bar(place, 100 * np.asarray(rates), 0.62, color=BANDS[: len(names)], linewidth=0)
        for i, rate in enumerate(rates):
            axes.text(i, 100 * rate, f"{rate:.1%}", ha="center", va="bottom", fontsize=9, fontweight="bold")
        labels = [f"{name}\n{share:.0%} of subjects" for name, share in zip(names, shares, strict=True)]
        axes.set_xticks(place, labels, fontsize=9)
        axes.set(ylabel="% bad", ylim=(0, 118 * max([*rates, 0.01])))
        quiet(axes, x=True)
        return to_svg(figure, "bands", "Observed default rate by band")


def budget(spent: Mapping[str, Sequence[float]], cap: float) -> str:
    """Epsilon left of the run's cap after each release, a panel per institution."""
    with drawing(7.6, 2.7, ncols=len(spent), sharey=True, squeeze=False) as (figure, grid):
        for i, (name, series) in enumerate(spent.items()):
            axes, left = grid[0, i], cap - np.asarray([0.0, *series])
            steps = np.append(left, left[-1])
            axes.fill_between(np.arange(len(steps)), steps, step="post", color=SERIES[i % len(SERIES)], alpha=0.18)
            axes.step(np.arange(len(steps)), steps, where="post", color=SERIES[i % len(SERIES)])
            axes.axhline(0, color=BAD, linewidth=1.4)
            axes.set_title(f"{name}: {left[-1]:.3f} left", loc="left")
            axes.set(xlim=(0, len(steps) - 1), ylim=(-0.02 * cap, 1.05 * cap))
            quiet(axes, x=True)
        grid[0, 0].set_ylabel("epsilon left in the run")
        figure.supxlabel("releases recorded in the ledger", fontsize=9)
        return to_svg(figure, "budget", "Budget of each institution, release by release")


def timeline(spans: Sequence[tuple[str, float, float]]) -> str:
    """`spans` (label, start, end) in seconds since the run began, drawn from the top down."""
    with drawing(7.6, max(1.8, 0.20 * len(spans) + 0.8)) as (figure, axes):
        for i, (_, start, end) in enumerate(spans):
            axes.barh(i, end - start, 0.66, left=start, color=SERIES[0], linewidth=0)
            axes.text(end + 0.4, i, f"{end - start:.1f} s", va="center", fontsize=8)
        axes.set_yticks(range(len(spans)), [label for label, _, _ in spans], fontsize=8)
        axes.set_ylim(len(spans) - 0.4, -0.6)
        axes.set_xlim(0, 1.10 * max((end for _, _, end in spans), default=1.0))
        axes.set_xlabel("seconds since the run began")
        quiet(axes, y=True)
        return to_svg(figure, "timeline", "Duration of every round")


def influence(index: Mapping[str, float], dimensions: Mapping[str, str]) -> str:
    """Influence index of each feature, largest first, coloured by its dimension."""
    order = sorted(index, key=lambda name: -index[name])
    kinds = list(dict.fromkeys(dimensions.values()))
    with drawing(7.6, 0.24 * len(order) + 0.8) as (figure, axes):
        for i, name in enumerate(order):
            colour = SERIES[kinds.index(dimensions[name]) % len(SERIES)]
            axes.barh(i, index[name], 0.68, color=colour, linewidth=0)
            axes.text(index[name] + 0.8, i, f"{index[name]:.0f}", va="center", fontsize=8)
        axes.set_yticks(range(len(order)), [name.replace("_", " ") for name in order], fontsize=8.5)
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.set(xlabel="influence index (largest = 100)", xlim=(0, 108))
        shown = [axes.barh(-9, 0, color=SERIES[i % len(SERIES)], label=kind) for i, kind in enumerate(kinds)]
        axes.legend(handles=shown, loc="lower right")
        quiet(axes, y=True)
        return to_svg(figure, "influence", "Influence index of each feature")


def fairness(groups: Sequence[tuple[str, str, float]]) -> str:
    """`groups` (attribute, group, rate of acceptance); dots against four fifths of the attribute's best rate."""
    with drawing(7.6, 0.27 * len(groups) + 0.8) as (figure, axes):
        attributes = list(dict.fromkeys(attribute for attribute, _, _ in groups))
        for i, (attribute, _, rate) in enumerate(groups):
            best = max(value for name, _, value in groups if name == attribute)
            colour = BAD if rate < 0.8 * best else SERIES[attributes.index(attribute) % len(SERIES)]
            axes.plot([0.8 * best] * 2, [i - 0.36, i + 0.36], color=INK, linewidth=1.2, alpha=0.6)
            axes.plot([rate], [i], "o", color=colour, markersize=7)
        axes.set_yticks(range(len(groups)), [f"{attribute}: {group}" for attribute, group, _ in groups], fontsize=8.5)
        axes.set_ylim(len(groups) - 0.4, -0.6)
        axes.set(xlabel="share accepted (bar: four fifths of the best group)", xlim=(0, 1.02))
        quiet(axes, y=True)
        return to_svg(figure, "fairness", "Share accepted by protected group")
