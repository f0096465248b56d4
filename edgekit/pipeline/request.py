"""What an export was asked to do, checked before any work: recipe, device, formats against the support table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.devices.catalogue import find_device
from edgekit.errors import RecipeError
from edgekit.formats.schemes import support
from edgekit.pipeline.isolation import Limits
from edgekit.recipe.load import LoadedRecipe
from edgekit.recipe.schema import Recipe
from edgekit.types.scheme import SCHEMES, Scheme, SchemeSupport

__all__ = ["ExportRequest", "check_support", "plan_document"]


@dataclass(frozen=True)
class ExportRequest:
    """One export. ``formats`` and ``device`` override the recipe's; ``jobs`` formats run side by side.

    ``child_seconds`` and ``child_memory_bytes`` limit each converter's process.
    """

    workload: str
    recipe: LoadedRecipe
    out: Path
    device: str | None = None
    formats: tuple[str, ...] = ()
    weights: Path | None = None
    jobs: int = 2
    child_seconds: float = 1800.0
    child_memory_bytes: int | None = None

    @property
    def limits(self) -> Limits:
        """What one converter's process may use."""
        return Limits(self.child_seconds, self.child_memory_bytes)

    @property
    def format_names(self) -> tuple[str, ...]:
        return self.formats or tuple(self.recipe.recipe.formats)

    @property
    def scheme(self) -> Scheme:
        return SCHEMES[self.recipe.recipe.quantize.scheme]

    @property
    def resolved(self) -> Recipe:
        """The recipe with the formats and the device that were given in place of its own."""
        device = find_device(self.device_id).stem if self.device_id else None
        return self.recipe.recipe.model_copy(update={"formats": self.format_names, "device": device})

    @property
    def device_id(self) -> str | None:
        return self.device or self.recipe.recipe.device


def check_support(request: ExportRequest) -> dict[str, SchemeSupport]:
    """The support-table cell of every asked format; raises RecipeError naming each cell that is a no."""
    table, problems = support(), []
    cells = {}
    for name in request.format_names:
        cell = table[name][request.scheme.name]
        cells[name] = cell
        if not cell.supported:
            others = [s for s, c in table[name].items() if c.supported]
            problems.append(RecipeError(
                "scheme-unsupported", f"{name} cannot do {request.scheme.name}",
                where=request.recipe.where("quantize.scheme"), cause=cell.reason,
                next=f"take {name} out of formats, or use one of: {', '.join(others)}"))
    if problems:
        first = problems[0]
        raise RecipeError(first.code, first.message, where=first.where, cause=first.cause, next=first.next,
                          problems=list(problems))
    return cells


def plan_document(request: ExportRequest) -> dict[str, Any]:
    """The resolved plan that ``--dry-run`` prints: nothing is loaded, nothing is written."""
    cells, recipe = check_support(request), request.resolved
    stages = ["load", *(f"compress:{p.name}" for p in recipe.compress)]
    stages += ["calibrate"] if request.scheme.needs_calibration or request.scheme.corrects_biases else []
    stages += ["capture", "plan", "reference", *(["correct"] if request.scheme.corrects_biases else [])]
    stages += [*(f"{step}:{name}" for name in cells for step in ("export", "verify")), "publish"]
    return {
        "workload": request.workload, "recipe": recipe.model_dump(mode="json"), "recipe_path": str(request.recipe.path),
        "device": request.device_id, "out": str(request.out), "scheme": request.scheme.model_dump(),
        "formats": {name: {"backend": cell.backend, "covers": list(cell.covers), "note": cell.note}
                    for name, cell in cells.items()},
        "stages": stages,
    }
