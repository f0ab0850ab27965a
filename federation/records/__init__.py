"""Records in: reading, validation, quarantine, encoding into catalogue cells."""

from federation.records.encode import encode
from federation.records.encoded import Encoded
from federation.records.load import load_records, refuse_same_file, refuse_taken, write_quarantine
from federation.records.output import check_output, write_output
from federation.records.report import Finding, Validated, ValidationReport
from federation.records.table import read_table
from federation.records.validate import refuse_empty, refuse_prohibited, validate

__all__ = [
    "Encoded",
    "Finding",
    "Validated",
    "ValidationReport",
    "check_output",
    "encode",
    "load_records",
    "read_table",
    "refuse_empty",
    "refuse_prohibited",
    "refuse_same_file",
    "refuse_taken",
    "validate",
    "write_output",
    "write_quarantine",
]
