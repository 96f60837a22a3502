"""Families: description, matching and loading of weights."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from hpe_edge.errors import ModelError
from hpe_edge.spec import Crop, Decode, Input, LandmarkHead, ModelSpec, Origin, Upright, Visibility

_SHOWN_KEYS = 3  # differing keys that a message names


@dataclass(frozen=True)
class Drop:
    """Weights that a checkpoint may carry and the exported graph does not need."""

    keys: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Difference:
    """Difference between a state dict and a family's, after the family's drops."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of keys that differ; 0 is a match."""
        return len(self.missing) + len(self.unexpected) + len(self.reshaped)

    def __str__(self) -> str:
        kinds = {"missing": self.missing, "unexpected": self.unexpected, "other shape:": self.reshaped}
        return "; ".join(f"{kind} {_some(keys)}" for kind, keys in kinds.items() if keys) or "no difference"


@dataclass(frozen=True)
class Heads:
    """Heads beside the pose.

    Attributes:
        module: makes of the loaded module one whose outputs are the family's and, after them, ``outputs``.
        export_form: as the family's, of the loaded module, with those outputs.
        outputs: names of the further outputs.
        landmarks, visibility: see :class:`hpe_edge.spec.ModelSpec`.
    """

    module: Callable[[nn.Module], nn.Module]
    export_form: Callable[[nn.Module], nn.Module]
    outputs: tuple[str, ...]
    landmarks: LandmarkHead
    visibility: Visibility | None = None


@dataclass(frozen=True)
class Family:
    """One architecture whose checkpoints can be exported.

    Attributes:
        name: as ``--arch`` takes it.
        title: one line.
        source: repository, licence and paper.
        published: accuracy reported for published weights, with the test set, and the source if not the authors.
        crop_note: source and reliability of ``crop``.
        builds: constructors of the torch module with the original's state-dict keys, one for each published layout, the
            usual one first. The module maps ``[N, 3, S, S]`` to the tensor of ``outputs``, or to a tuple of them.
        export_form: converts the loaded module to the one that is exported; same outputs, fewer nodes.
        input, crop, decode: see :class:`hpe_edge.spec.ModelSpec`.
        drops: keys that are taken out by name before the strict load.
        unexported: parts of the module that are not in the graph.
        outputs: names of the graph's outputs.
        on_request: selected by name only, as its weights do not distinguish it.
        from_arrays: for files that are read by position, ``"keras"`` or ``"tflite"`` -> conversion of their arrays to
            this module's state dict.
        original_order: of the three angles in the original code's output, and so in its ONNX files.
        upright: see :class:`hpe_edge.spec.ModelSpec`.
        heads: of the weights, beside the pose; None: there are none.
    """

    name: str
    title: str
    source: str
    published: str
    crop_note: str
    builds: tuple[Callable[[], nn.Module], ...]
    input: Input
    crop: Crop
    decode: Decode
    export_form: Callable[[nn.Module], nn.Module] = lambda net: net
    drops: tuple[Drop, ...] = ()
    unexported: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ("logits",)
    on_request: bool = False
    from_arrays: Mapping[str, Callable[[Mapping[str, Tensor]], dict[str, Tensor]]] = field(default_factory=dict)
    original_order: tuple[str, str, str] = ("yaw", "pitch", "roll")
    upright: Upright | None = None
    heads: Heads | None = None

    @functools.cached_property
    def layouts(self) -> tuple[dict[str, tuple[int, ...]], ...]:
        """State-dict key -> shape, for each of ``builds``."""
        with torch.device("meta"):
            return tuple(
                {key: tuple(tensor.shape) for key, tensor in build().state_dict().items()} for build in self.builds
            )

    @functools.cached_property
    def parameters(self) -> int:
        """Number of trained parameters, in the usual layout."""
        with torch.device("meta"):
            return sum(weight.numel() for weight in self.builds[0]().parameters())

    def dropped(self, state: Mapping[str, Tensor]) -> tuple[Drop, ...]:
        """The drops that apply to this state dict."""
        return tuple(drop for drop in self.drops if any(key in state for key in drop.keys))

    def difference(self, state: Mapping[str, Tensor]) -> Difference:
        """Difference between this state dict and the nearest layout; without one it loads strictly."""
        kept = self._kept(state)
        expected = self.layouts[self._nearest(state)]
        return Difference(
            missing=tuple(key for key in expected if key not in kept and not _may_lack(key)),
            unexpected=tuple(key for key in kept if key not in expected),
            reshaped=tuple(
                f"{key} {list(kept[key].shape)} in place of {list(shape)}"
                for key, shape in expected.items()
                if key in kept and tuple(kept[key].shape) != shape
            ),
        )

    def matching(self, state: Mapping[str, Tensor]) -> int:
        """Number of keys that the state dict has in common with the family, shapes included."""
        return _common(self.layouts[self._nearest(state)], state)

    def load(self, state: Mapping[str, Tensor]) -> nn.Module:
        """The module with these weights, for inference.

        Raises:
            ModelError: a key is missing, unexpected or of another shape; the message names the first ones.
        """
        difference = self.difference(state)
        if difference.count:
            raise ModelError(f"the weights are not {self.name}'s ({difference})")
        net = self.builds[self._nearest(state)]()
        kept = self._kept(state)
        counters = {key: tensor for key, tensor in net.state_dict().items() if key not in kept}
        net.load_state_dict({**kept, **counters}, strict=True)
        return net.eval()

    def spec(self, origin: Origin, heads: Heads | None = None) -> ModelSpec:
        """The spec of a model of this family, with the heads beside the pose that it has."""
        return ModelSpec(
            architecture=self.name,
            input=self.input,
            outputs=self.outputs + (() if heads is None else heads.outputs),
            crop=self.crop,
            decode=self.decode,
            origin=origin,
            upright=self.upright,
            landmarks=None if heads is None else heads.landmarks,
            visibility=None if heads is None else heads.visibility,
        )

    def _nearest(self, state: Mapping[str, Tensor]) -> int:
        """Number of the layout with the most in common with the state dict; of several the one with the fewest keys."""
        common = [_common(layout, state) for layout in self.layouts]
        return max(range(len(common)), key=lambda i: (common[i], -len(self.layouts[i])))

    def _kept(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        gone = {key for drop in self.drops for key in drop.keys}
        return {key: tensor for key, tensor in state.items() if key not in gone}


def _common(layout: Mapping[str, tuple[int, ...]], state: Mapping[str, Tensor]) -> int:
    return sum(layout.get(key) == tuple(tensor.shape) for key, tensor in state.items())


def _some(keys: tuple[str, ...]) -> str:
    more = f" and {len(keys) - _SHOWN_KEYS} more" if len(keys) > _SHOWN_KEYS else ""
    return ", ".join(keys[:_SHOWN_KEYS]) + more


def _may_lack(key: str) -> bool:
    """True for BatchNorm's step counters, which PyTorch before 0.4.1 did not save and inference does not read."""
    return key.endswith("num_batches_tracked")
