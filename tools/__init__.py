"""Programs for maintainers, run in a checkout: ``python -m tools.NAME --help`` describes each."""
