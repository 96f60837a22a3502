"""Mutants: small faults in the rules that the angles depend on, and which of them the tests notice."""
