"""The alternatives that hpe_edge is compared with."""
