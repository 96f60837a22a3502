"""Search for the weights in a training script's checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from hpe_edge.errors import ModelError

SAVE = "save the weights alone where its code is at hand: torch.save(model.state_dict(), 'weights.pth')"

# Keys under which training scripts save the weights; the first one found is used. Averages over the training steps
# (EMA) come last: published test code loads the weights themselves.
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
    place: str = ""  # the keys that lead to it; empty for the outermost dictionary
    others: tuple[str, ...] = ()  # places of further state dicts
    ignored: tuple[str, ...] = ()  # keys among the weights that are no tensors


def find_state(path: Path, plain: Any) -> tuple[dict[str, Tensor], list[str]]:
    """The state dict in a file's content, and notes on its keys.

    Raises:
        ModelError: there is none.
    """
    found = _search(path, plain, _DEEPEST)
    if found is None:
        raise ModelError(f"{path} holds no state dict but {_describe_with_wrapper(plain)}; {SAVE}")
    notes = [f"weights found under {found.place}"] if found.place else []
    if found.others:
        places = ", ".join(place or "no key" for place in found.others)
        notes.append(f"other weights under {places} were ignored; to export those, save them in a separate file")
    if found.ignored:
        notes.append(f"{_shortened(found.ignored)} among the weights is no tensor and was ignored")
    return found.state, notes


def _search(path: Path, value: Any, depth: int) -> _Found | None:
    if isinstance(value, nn.Module):
        state = _state_of(path, value)
        return _Found(state) if state else None
    if not isinstance(value, Mapping) or not value:
        return None
    flat = _flat(value)
    if flat is not None and not flat.ignored:
        return flat
    wrapped = [_search_under(path, value, key, depth - 1) for key in _WRAPPERS if depth > 0]
    found = [each for each in (*wrapped, flat) if each is not None]
    if not found:
        return None
    first, *rest = found
    return replace(first, others=(*first.others, *(each.place for each in rest)))


def _search_under(path: Path, value: Mapping[Any, Any], key: str, depth: int) -> _Found | None:
    hit = _search(path, value.get(key), depth)
    if hit is None:
        return None
    return replace(hit, place=_join(key, hit.place), others=tuple(_join(key, other) for other in hit.others))


def _flat(value: Mapping[Any, Any]) -> _Found | None:
    """A state dict, possibly with an epoch or a loss among its weights: most entries are tensors of layers."""
    state = {key: item.detach() for key, item in value.items() if isinstance(key, str) and isinstance(item, Tensor)}
    ignored = tuple(str(key) for key in value if key not in state)
    of_layers = sum("." in key for key in state)
    return _Found(state, ignored=ignored) if not ignored or of_layers > len(value) / 2 else None


def _state_of(path: Path, module: nn.Module) -> dict[str, Tensor]:
    """The weights of a whole model from a trusted file; its class is foreign code."""
    try:
        state = module.state_dict()
    except KeyboardInterrupt:  # Ctrl-C
        raise
    except BaseException as error:  # the file's own code can raise anything, SystemExit too
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
        return f"a dictionary with the keys {_shortened(keys)}" if keys else "an empty dictionary"
    if isinstance(value, nn.Module):
        return f"a whole model without weights ({type(value).__name__})"
    return f"one {type(value).__name__}"


def _shortened(keys: Sequence[str]) -> str:
    return ", ".join(keys[:_SHOWN_KEYS]) + ", ..." * (len(keys) > _SHOWN_KEYS)
