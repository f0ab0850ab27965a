"""A model card on a terminal: what it cost, how good it is, what it must not be used for."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from federation.evaluation import Estimate, ModelCard
from server.card import CARD, CARD_PAGE


def show_card(card: ModelCard, folder: Path, console: Console) -> None:
    """The essence of the card, and where the whole of it is."""
    console.print(f"[bold]{escape(card.name)}[/bold], model {card.model_hash[:16]}", highlight=False)
    console.print(escape(f"run {card.plan.run_id}, with {', '.join(card.institutions)}"), highlight=False)
    claims = card.claims
    console.print(
        f"epsilon {claims.pld:.3f} (PLD), {claims.prv:.3f} (PRV), {claims.rdp:.3f} (RDP) "
        f"at delta {claims.delta:g}, {claims.adjacency}, per institution",
        highlight=False,
    )
    if card.findings is None:
        console.print("No figure of quality was released.")
    else:
        console.print(_figures(card.findings.metrics))
        console.print(f"From {card.findings.source}.", highlight=False)
    for limitation in card.limitations:
        console.print(f"- {escape(limitation)}", highlight=False)
    console.print(f"Written: {escape(str(folder / CARD))}, {CARD_PAGE}", soft_wrap=True)


def _figures(metrics: dict[str, Estimate]) -> Table:
    table = Table("figure", "value", "standard error")
    for name, estimate in metrics.items():
        table.add_row(name, _number(estimate.value) or estimate.note or "", _number(estimate.se))
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
