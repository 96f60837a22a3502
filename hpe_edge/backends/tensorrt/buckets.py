"""Batch sizes that an engine runs: a call's faces are padded to the next one.

Each has an execution context and CUDA graphs of its own, all made before the first call, so that a new number of faces
never waits for a capture. At most half of a padded batch is in vain.
"""

from __future__ import annotations

Profile = tuple[int, int, int]
"""Smallest, optimal and largest batch."""

DEFAULT_PROFILE: Profile = (1, 4, 16)


def buckets(profile: Profile) -> tuple[int, ...]:
    """Return the batch sizes of an engine, rising: the profile's own and the powers of two between them."""
    least, best, most = profile
    powers = (2**k for k in range(most.bit_length()))
    return tuple(sorted({least, best, most, *(power for power in powers if least < power < most)}))


def optimization_profiles(profile: Profile) -> list[Profile]:
    """Return the optimisation profiles that an engine is built with.

    TensorRT tunes kernels for one batch size per profile, and the build takes as long for each. Buckets up to the
    optimal batch have a profile each; larger ones, where kernels differ little, share one that is tuned for the
    largest.
    """
    _, best, most = profile
    found = [(size, size, size) for size in buckets(profile) if size <= best]
    larger = [size for size in buckets(profile) if size > best]
    return [*found, (larger[0], most, most)] if larger else found
