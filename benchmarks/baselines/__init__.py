"""The alternatives that hpe_edge is compared with."""

__all__ = ["chains", "plain_pipelines"]
