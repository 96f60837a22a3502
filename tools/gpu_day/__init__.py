"""GPU day: all that needs a GPU, in two calls of at most five minutes on a machine without a network.

``pack`` prepares what is carried along, ``part1`` builds and tests, ``part2`` measures. Steps run as processes of their
own with limits of their own; whatever one of them does, the others have their turn.
"""

__all__: list[str] = []
