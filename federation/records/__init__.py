"""Records in: reading, validation, quarantine, encoding into catalogue cells."""
