"""Finding the weights among what a training script saved with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from export.unpickle import SAVE
from hpe_edge.errors import ModelError

# Keys under which training scripts put the weights, beside epochs and optimizer state; the first that is there is
# taken. Averages over the training steps (EMA) come last: what the published test code of this field loads are the
# weights themselves.
_WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "weights",
    "fpn_model",
    "best_states",
    "state_dict_ema",
    "ema_state_dict",
    "model_ema",
    "ema_model",
    "ema",
)
_DEEPEST = 3  # a damaged or hostile file can hold a dictionary in itself
_SHOWN_KEYS = 5


@dataclass(frozen=True)
class _Found:
    state: dict[str, Tensor]
    place: str = ""  # the keys that lead to it
    others: tuple[str, ...] = ()


def find_state(path: Path, plain: Any) -> tuple[dict[str, Tensor], list[str]]:
    """The state dict within what the file holds, and under which keys it stood.

    Raises:
        ModelError: there is none.
    """
    found = _search(path, plain, _DEEPEST)
    if found is None:
        raise ModelError(f"{path} holds no state dict but {_describe_with_wrapper(plain)}; {SAVE}")
    notes = [f"the weights stand under {found.place}"] if found.place else []
    if found.others:
        notes.append(
            f"there are others under {', '.join(found.others)}, which were not taken; to export those, save them in a "
            "file of their own"
        )
    return found.state, notes


def _search(path: Path, value: Any, depth: int) -> _Found | None:
    if isinstance(value, nn.Module):
        return _Found(_state_of(path, value))
    if not isinstance(value, Mapping) or not value:
        return None
    if all(isinstance(key, str) and isinstance(item, Tensor) for key, item in value.items()):
        return _Found({key: item.detach() for key, item in value.items()})
    if depth == 0:
        return None
    hits = [(key, hit) for key in _WRAPPERS if (hit := _search(path, value.get(key), depth - 1)) is not None]
    if not hits:
        return None
    (key, hit), *rest = hits
    return _Found(
        state=hit.state,
        place=_join(key, hit.place),
        others=(*(_join(key, other) for other in hit.others), *(_join(other, found.place) for other, found in rest)),
    )


def _state_of(path: Path, module: nn.Module) -> dict[str, Tensor]:
    """The weights of a whole model, which only a trusted file gives: its class may be of other code's making."""
    try:
        state = module.state_dict()
    except Exception as error:
        raise ModelError(
            f"{path} holds a whole model whose weights cannot be taken ({type(error).__name__}); {SAVE}"
        ) from None
    return {key: tensor.detach() for key, tensor in state.items() if isinstance(tensor, Tensor)}


def _join(key: str, place: str) -> str:
    return f"{key!r} -> {place}" if place else repr(key)


def _describe_with_wrapper(value: Any) -> str:
    wrapper = next((key for key in _WRAPPERS if key in value), None) if isinstance(value, Mapping) else None
    return _describe(value) + (f", with {_describe(value[wrapper])} under {wrapper!r}" if wrapper else "")


def _describe(value: Any) -> str:
    if isinstance(value, Mapping):
        keys = [str(key) for key in value]
        shown = ", ".join(keys[:_SHOWN_KEYS]) + ", ..." * (len(keys) > _SHOWN_KEYS)
        return f"a dictionary with the keys {shown}" if keys else "an empty dictionary"
    return f"one {type(value).__name__}"
