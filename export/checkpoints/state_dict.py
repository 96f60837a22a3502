"""Search for the weights in a training script's checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

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
_DEEPEST = 4  # a damaged or hostile file can hold a dictionary in itself
_MOST_KEYS = 200  # that are looked under; weights stand under a few
_SHOWN_KEYS = 5

Fits: TypeAlias = Callable[[Mapping[str, Tensor]], bool]


@dataclass(frozen=True)
class _Found:
    state: dict[str, Tensor]
    place: str = ""  # the keys that lead to it; empty for the outermost dictionary
    ignored: tuple[str, ...] = ()  # keys among the weights that are no tensors


def find_state(path: Path, plain: Any, fits: Fits | None = None) -> tuple[dict[str, Tensor], list[str]]:
    """The state dict in a file's content, and notes on its keys.

    Args:
        path: names the file in messages.
        plain: the content.
        fits: of several state dicts, the first that fits a known network is taken.

    Raises:
        ModelError: there is none.
    """
    candidates = _search(path, plain, _DEEPEST)
    if not candidates:
        raise ModelError(f"{path} holds no state dict but {_describe_with_wrapper(plain)}; {SAVE}")
    found = candidates[0]
    if fits is not None and len(candidates) > 1:
        found = next((each for each in candidates if fits(each.state)), found)
    others = [each.place for each in candidates if each is not found]
    notes = [f"weights found under {found.place}"] if found.place else []
    if others:
        places = ", ".join(place or "no key" for place in others)
        notes.append(f"other weights under {places} were ignored; to export those, save them in a separate file")
    if found.ignored:
        notes.append(f"{_shortened(found.ignored)} among the weights is no tensor and was ignored")
    return found.state, notes


def _search(path: Path, value: Any, depth: int) -> list[_Found]:
    """All state dicts in a value, the likeliest first."""
    if isinstance(value, nn.Module):
        state = _state_of(path, value)
        return [_Found(state)] if state else []
    if isinstance(value, list | tuple) and depth > 0:
        return _under_any(path, dict(enumerate(value)), depth)
    if not isinstance(value, Mapping) or not value:
        return []
    flat = _flat(value)
    if flat is not None and not flat.ignored:
        return [flat]
    wrapped = [each for key in _WRAPPERS if depth > 0 for each in _under(path, value, key, depth)]
    known = [*wrapped, *([flat] if flat is not None else [])]
    return known or _under_any(path, value, depth)


def _under(path: Path, value: Mapping[Any, Any], key: Any, depth: int) -> list[_Found]:
    return [replace(each, place=_join(key, each.place)) for each in _search(path, value.get(key), depth - 1)]


def _under_any(path: Path, value: Mapping[Any, Any], depth: int) -> list[_Found]:
    """The state dicts under keys that no list knows; those of layers only, as optimizers keep tensors too.

    Averages come last.
    """
    if depth == 0:
        return []
    found = [each for key in list(value)[:_MOST_KEYS] for each in _under(path, value, key, depth)]
    found = [each for each in found if any("." in key for key in each.state)]
    return sorted(found, key=lambda each: "ema" in each.place.lower())


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


def _join(key: Any, place: str) -> str:
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
