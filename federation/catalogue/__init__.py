"""The catalogue: everything that is fixed, publicly and by all members, before any record is seen.

>>> from federation.catalogue import load_catalogue
>>> catalogue = load_catalogue("synthetic")
>>> catalogue.features[0].name, catalogue.features[0].n_cells
('worst_delinquency', 6)
"""

from federation.catalogue.categories import UNKNOWN_GROUP, Category, Dimension, Kind, Purpose, Role
from federation.catalogue.document import Column, Derived, Special, Target, Value
from federation.catalogue.load import load_catalogue, parse_catalogue, shipped_catalogues
from federation.catalogue.values import Catalogue, Feature, Protected

__all__ = [
    "UNKNOWN_GROUP",
    "Catalogue",
    "Category",
    "Column",
    "Derived",
    "Dimension",
    "Feature",
    "Kind",
    "Protected",
    "Purpose",
    "Role",
    "Special",
    "Target",
    "Value",
    "load_catalogue",
    "parse_catalogue",
    "shipped_catalogues",
]
