"""The instructions that a kernel executes in its common case, found in its control flow."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tools.kernel_model.sass import Code, Instruction

_TARGET = re.compile(r"\((\.L_\w+)\)|(\.L_x_\w+)")

Mark = Callable[[Instruction], bool]


def is_word_load(instruction: Instruction) -> bool:
    """Return True for a load of four bytes of a frame."""
    return instruction.opcode.removesuffix(".SYS") == "LDG.E.CONSTANT"  # the suffix is Turing's


def is_shared_load(instruction: Instruction) -> bool:
    """Return True for a load of a float from shared memory."""
    return instruction.opcode in ("LDS", "LDS.U")


@dataclass(frozen=True)
class Flow:
    """Edges between the blocks of a kernel, without those that close a loop.

    Attributes:
        order: reachable blocks, each before its successors.
        after: successors of each block.
        loops: first, last and all blocks of each loop.
    """

    order: list[int]
    after: list[list[int]]
    loops: list[tuple[int, int, set[int]]]


def flow_of(code: Code) -> Flow:
    """Follow a kernel's branches from its first instruction."""
    successors = [_successors(code, i) for i in range(len(code.blocks))]
    after: list[list[int]] = [[] for _ in successors]
    order: list[int] = []
    closing: list[tuple[int, int]] = []
    state = [0] * len(successors)  # 1: on the way, 2: done
    stack = [(0, iter(successors[0]))]
    state[0] = 1
    while stack:
        block, rest = stack[-1]
        following = next(rest, None)
        if following is None:
            state[block] = 2
            order.append(block)
            stack.pop()
        elif state[following] == 1:
            closing.append((block, following))
        else:
            after[block].append(following)
            if state[following] == 0:
                state[following] = 1
                stack.append((following, iter(successors[following])))
    order.reverse()
    return Flow(order, after, [(head, end, _loop(successors, end, head)) for end, head in closing])


def _successors(code: Code, index: int) -> list[int]:
    last = code.blocks[index][-1]
    kind = last.opcode.partition(".")[0]
    following = [index + 1] if index + 1 < len(code.blocks) else []
    if kind in ("EXIT", "RET"):
        return following if last.guard else []
    if kind not in ("BRA", "BRX", "JMP"):
        return following
    names = [each[0] or each[1] for each in _TARGET.findall(last.operands)]
    targets = [code.labels[name] for name in names if name in code.labels and code.labels[name] < len(code.blocks)]
    # Some branches name their predicate among the operands.
    conditional = last.guard or last.operands.startswith(("P", "!P", "U", "!U"))
    return targets + following if conditional else targets


def _loop(successors: list[list[int]], end: int, head: int) -> set[int]:
    """Blocks from which ``end`` is reached without passing ``head``."""
    before: dict[int, list[int]] = {}
    for block, following in enumerate(successors):
        for each in following:
            before.setdefault(each, []).append(block)
    found, rest = {head, end}, [end] if end != head else []
    while rest:
        for block in before.get(rest.pop(), []):
            if block not in found:
                found.add(block)
                rest.append(block)
    return found


def hot_path(code: Code, mark: Mark) -> Counter[str]:
    """Count the opcodes along the path with the most marked instructions; of several, along the shortest.

    A loop counts as one pass.
    """
    flow = flow_of(code)
    return Counter(each.opcode for each in _path(code, flow, mark, 0, set(flow.order)))


def loop_share(code: Code, mark: Mark, marks_per_pass: int) -> float:
    """Instructions per pass of the innermost loop with marked instructions that has the fewest, along its hot path.

    Compilers unroll loops; ``marks_per_pass`` tells how many passes a body holds. 0 if no loop has any.
    """
    shares = []
    flow = flow_of(code)
    for first, _, blocks in flow.loops:
        if any(other < blocks for _, _, other in flow.loops):
            continue
        path = _path(code, flow, mark, first, blocks)
        marked = sum(map(mark, path))
        if marked and marked % marks_per_pass == 0:
            shares.append(len(path) / (marked / marks_per_pass))
    return min(shares, default=0.0)


def _path(code: Code, flow: Flow, mark: Mark, first: int, within: set[int]) -> list[Instruction]:
    best: dict[int, tuple[int, int, list[int]]] = {}
    for block in reversed(flow.order):
        if block not in within:
            continue
        instructions = code.blocks[block]
        rest = max((best[each] for each in flow.after[block] if each in best), default=(0, 0, []))
        best[block] = (sum(map(mark, instructions)) + rest[0], rest[1] - len(instructions), [block, *rest[2]])
    return [each for block in best[first][2] for each in code.blocks[block]]
