"""Tables, charts, comparison and pages from JSON runs."""
