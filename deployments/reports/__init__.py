"""Reports for auditors: pure functions over entries of the ledger, from the database or from an exported file."""
