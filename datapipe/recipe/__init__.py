"""Recipes: safe YAML in, a checked graph of stages out, or every problem at once."""

from __future__ import annotations

from datapipe.recipe.document import write_document
from datapipe.recipe.editor import recipe_schema
from datapipe.recipe.files import check_files, file_problem
from datapipe.recipe.load import load_recipe
from datapipe.recipe.model import RESOLVED, Cluster, Columns, Node, Recipe

__all__ = [
    "RESOLVED",
    "Cluster",
    "Columns",
    "Node",
    "Recipe",
    "check_files",
    "file_problem",
    "load_recipe",
    "recipe_schema",
    "write_document",
]
