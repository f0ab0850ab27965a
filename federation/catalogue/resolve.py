"""From the checked document to the values that the rest of the federation uses."""

from __future__ import annotations

from itertools import pairwise

from federation.catalogue.categories import UNKNOWN_GROUP, Dimension, Role
from federation.catalogue.document import Column, Document, FeatureSpec, ProtectedSpec, Value
from federation.catalogue.values import Catalogue, Feature, Protected
from protocols.canonical import canonical, digest

HASH_LABEL = "fedscore/v1/catalogue"


def content_hash(document: Document) -> str:
    """Hex digest of the canonical content: every key that says something other than its default."""
    content = document.model_dump(mode="json", exclude_defaults=True)
    return digest(HASH_LABEL, canonical(content)).hex()


def resolve(document: Document) -> Catalogue:
    """The catalogue that a checked `document` describes."""
    header = document.catalogue
    return Catalogue(
        name=header.name,
        version=header.version,
        title=header.title,
        hash=content_hash(document),
        purpose=header.purpose,
        retention_years=header.retention_years,
        unit_of_privacy=header.unit_of_privacy,
        base_rate=header.base_rate,
        subject=header.subject,
        target=document.target,
        dimension_weights={dim: document.dimension_weights.get(dim, 0.0) for dim in Dimension},
        reasons=dict(document.reasons),
        columns=dict(document.columns),
        derived=document.derived,
        features=tuple(_feature(document, spec) for spec in document.features),
        pair_features=tuple(_feature(document, spec) for spec in document.pair_features),
        pairs=tuple(pair.of for pair in document.pairs),
        protected=tuple(_protected(spec) for spec in document.protected),
        prohibited=tuple(name for name, column in document.columns.items() if column.role is Role.PROHIBITED),
    )


def _feature(document: Document, spec: FeatureSpec) -> Feature:
    column = document.columns.get(spec.source)
    derived = {item.name: item for item in document.derived}.get(spec.source)
    inherited = column.title if column else derived.title if derived else ""
    groups = spec.category_values
    return Feature(
        name=spec.name,
        source=spec.source,
        title=spec.title or inherited or spec.name.replace("_", " "),
        dimension=spec.dimension,
        reason=spec.reason,
        kind=spec.kind,
        edges=spec.edges,
        categories=groups,
        specials=column.special if column else (),
        monotone=spec.monotone,
        unit=column.unit if column else "",
        labels=tuple(_category_label(column, group) for group in groups) if column else (),
    )


def _category_label(column: Column, group: tuple[Value, ...]) -> str:
    if _is_run(column, group):
        return f"{group[0]} to {group[-1]} {column.unit}".strip()
    return " or ".join(column.labels.get(str(value), str(value)) for value in group)


def _is_run(column: Column, group: tuple[Value, ...]) -> bool:
    """Whether the group is three or more consecutive whole numbers without labels of their own."""
    if not column.numeric or len(group) < 3 or any(str(value) in column.labels for value in group):
        return False
    return all(b == a + 1 for a, b in pairwise(float(value) for value in group))


def _protected(spec: ProtectedSpec) -> Protected:
    if spec.edges:
        names = [f"{edge:g}" for edge in spec.edges]
        between = [f"{low} to < {high}" for low, high in pairwise(names)]
        labels = [f"< {names[0]}", *between, f">= {names[-1]}"]
    else:
        labels = [group.label for group in spec.groups]
    return Protected(
        name=spec.name,
        column=spec.column,
        groups=(*labels, UNKNOWN_GROUP),
        values=tuple(group.values for group in spec.groups),
        edges=spec.edges,
    )
