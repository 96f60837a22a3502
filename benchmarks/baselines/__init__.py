"""Alternatives to hpe_edge."""

__all__ = ["chains", "plain_pipelines"]
