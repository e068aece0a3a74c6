"""The identity graph for people: rules, reasons, and what rules would do."""
