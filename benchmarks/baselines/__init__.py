"""The alternatives that hpe_edge is compared with."""

__all__ = ["chains", "gpu_chains", "plain_pipelines"]
