"""The files that a recipe's options name: whether its stages can use them, told before anything runs.

Costs what fingerprints cost: reading models and lists once for their digests.
"""

from __future__ import annotations

from datapipe.errors import InputError, Problem, RecipeError
from datapipe.recipe.model import Node, Recipe
from datapipe.stage import Deciding

__all__ = ["check_files", "file_problem"]


def check_files(recipe: Recipe) -> None:
    """Raises RecipeError with every stage whose model, lists or languages are missing or do not fit its options."""
    problems = []
    for name, node in recipe.nodes.items():
        error = file_problem(node)
        if error is not None:
            line = f":{node.line}" if node.line else ""
            problems.append(Problem(f"{recipe.path}{line}: stages.{name}", error.message, error.remedy))
    if problems:
        raise RecipeError(tuple(problems))


def file_problem(node: Node) -> InputError | None:
    """What a stage says against the files that its options name."""
    try:
        node.stage.libraries_for(node.config)
        if isinstance(node.stage, Deciding):
            node.stage.decide_libraries_for(node.config)
    except InputError as error:
        return error
    return None
