"""A population that does not exist, seen by institutions that overlap: the default when no data is given.

Population        .draw(spec, rng), .table(institution), .truth(), .facts()
PopulationSpec    persons, institutions, vintages, default rate
write_population  one file per institution by the catalogue `synthetic`, and the truth apart
"""

from federation.synthetic.population import Persons, PopulationSpec, draw_persons
from federation.synthetic.tables import Population, write_population, write_table
from federation.synthetic.view import View, draw_view

__all__ = [
    "Persons",
    "Population",
    "PopulationSpec",
    "View",
    "draw_persons",
    "draw_view",
    "write_population",
    "write_table",
]
