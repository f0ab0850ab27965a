"""The regulator as a holder of the oversight key: a home within its own, in HOME/holder."""
