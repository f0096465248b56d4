"""A workload from a Python file or module: its functions, checked and brought into the form the rooms share."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from edgekit.contracts import Inputs, Metric, Predict, Workload
from edgekit.errors import WorkloadError
from edgekit.workload.fit import run_once
from edgekit.workload.origin import line_of, shown
from edgekit.workload.positional import flatten_graph_module, input_names_of, input_order, is_flat, make_positional
from edgekit.workload.preprocess import check_preprocess
from edgekit.workload.shapes import dynamic_batch
from edgekit.workload.structure import as_inputs, flatten_outputs, output_names, rebuild
from edgekit.workload.user_code import call
from edgekit.workload.weights import load_weights
from edgekit.yamlfile.nearest import nearest

__all__ = ["workload_from"]

REQUIRED = ("load", "example_inputs")
OPTIONAL = ("calibration", "evaluate", "train_data", "loss", "labels", "dynamic_shapes", "preprocess")


def _functions(namespace: ModuleType, source: Path) -> dict[str, Callable[..., Any]]:
    """The workload's functions by name. Raises WorkloadError where a required one is missing, or misspelt."""
    own = [n for n, v in vars(namespace).items() if callable(v) and not n.startswith("_")]
    for name in (*REQUIRED, *OPTIONAL):
        value = getattr(namespace, name, None)
        # None says that there is none; a module is one that the file imports for its own use.
        if not (value is None or callable(value) or isinstance(value, ModuleType)):
            raise WorkloadError("workload-no-function", f"{name} is a {type(value).__name__}, not a function",
                                where=_line_of_name(source, name),
                                next=f"define `def {name}(...):`, or give the value another name")
    for name in REQUIRED:
        if not callable(getattr(namespace, name, None)):
            near = nearest(name, own)
            raise WorkloadError("workload-missing-function", f"{source.name} defines no {name}()",
                                where=shown(str(source)),
                                cause=f"did you mean {near}()?" if near else
                                "a workload defines load() and example_inputs()",
                                next=f"rename {near}() to {name}()" if near else
                                "`edgekit init` writes a commented workload to start from")
    return {n: f for n in (*REQUIRED, *OPTIONAL) if callable(f := getattr(namespace, n, None))}


def _line_of_name(source: Path, name: str) -> str:
    """``file:line`` where the file binds ``name`` at its top level, or the file where that is not plain to see."""
    try:
        statements = ast.parse(source.read_bytes()).body
    except (OSError, SyntaxError, ValueError):  # a compiled module, for example
        return shown(str(source))
    scopes = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    lines = [n.lineno for s in statements if not isinstance(s, scopes) for n in ast.walk(s)
             if (isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and n.id == name)
             or (isinstance(n, ast.alias) and (n.asname or n.name) == name)]
    return f"{shown(str(source))}:{lines[-1]}" if lines else shown(str(source))


def _misspelt(functions: Mapping[str, Any], namespace: ModuleType) -> list[str]:
    """Warnings for functions of the user's own whose names nearly are those of optional ones."""
    own = [n for n, v in vars(namespace).items()
           if callable(v) and getattr(v, "__module__", None) == namespace.__name__ and n not in functions]
    found = []
    for name in OPTIONAL:
        near = difflib.get_close_matches(name, own, n=1, cutoff=0.85) if name not in functions else []
        found += [f"{near[0]}() is not used: did you mean {name}()?"] if near else []
    return found


def _module(load: Callable[..., Any], weights: Path | None) -> nn.Module:
    module = call(load, what="load()")
    if not isinstance(module, nn.Module):
        kind = module.__name__ if isinstance(module, type) else type(module).__name__
        raise WorkloadError("workload-no-module", f"load() returned {kind}, not a torch.nn.Module",
                            where=line_of(load),
                            cause="the class itself, not an object of it" if isinstance(module, type) else
                            "load() builds the module, loads its weights and returns it",
                            next="return the trained torch.nn.Module from load()")
    if isinstance(module, torch.jit.ScriptModule):
        raise WorkloadError("workload-no-module", "load() returned a TorchScript module", where=line_of(load),
                            cause="torch.export cannot capture TorchScript",
                            next="return the Python module that the TorchScript was made from")
    if isinstance(module, torch.fx.GraphModule) and hasattr(module, "_in_spec"):
        module = flatten_graph_module(module)
    if weights is not None:
        load_weights(module, weights)
    if any(t.device.type != "cpu" for t in (*module.parameters(), *module.buffers())):
        module = module.cpu()
    trained: nn.Module = module.eval()
    return trained


def _in_other_precision(module: nn.Module) -> bool:
    other = (torch.float16, torch.bfloat16, torch.float64)
    return any(t.dtype in other for t in (*module.parameters(), *module.buffers()))


def _metric(namespace: ModuleType, source: Path) -> Metric:
    value = getattr(namespace, "METRIC", None)
    keys = ("name", "unit", "higher_is_better")
    if not isinstance(value, Mapping) or set(value) != set(keys) or not isinstance(value["higher_is_better"], bool):
        raise WorkloadError("workload-bad-metric", "METRIC does not describe what evaluate() returns",
                            where=shown(str(source)), cause="it is missing" if value is None else f"it is {value!r}",
                            next='define METRIC = {"name": "top-1", "unit": "%", "higher_is_better": True}')
    return Metric(str(value["name"]), str(value["unit"]), value["higher_is_better"])


def _structured(predict: Predict, names: tuple[str, ...], template: Any) -> Predict:
    """``predict`` with the user's own calling convention: keywords or positions in, their output structure out."""

    def with_structure(*args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], Mapping):
            kwargs, args = {**args[0], **kwargs}, args[1:]
        unknown = set(kwargs) - set(names)
        if unknown:
            raise WorkloadError("predict-inputs", f"predict() got unknown inputs {sorted(unknown)}",
                                cause=f"inputs: {', '.join(names)}", next="call predict() as forward() is called")
        outputs = predict(*args, *(kwargs[n] for n in names[len(args):] if n in kwargs))
        return rebuild(template, iter(outputs if isinstance(outputs, tuple) else (outputs,)))

    return with_structure


class _UserIterables:
    """``calibration()`` and ``train_data()`` as the contract has them: tuples of tensors, errors with a line."""

    def __init__(self, names: tuple[str, ...], single: bool) -> None:
        """``single``: the weights were turned into float32, and so are inputs."""
        self.names, self.single = names, single

    def tensors(self, value: Any, what: str, where: str | None) -> Inputs:
        found = as_inputs(value, self.names, what=what, where=where)
        return tuple(t.float() if self.single and t.is_floating_point() else t for t in found)

    def _items(self, function: Callable[..., Any], what: str) -> Iterator[Any]:
        values = call(function, what=what)
        if not isinstance(values, Iterable):
            raise WorkloadError("workload-bad-inputs", f"{what} returned a {type(values).__name__}",
                                where=line_of(function), cause="nothing to iterate over",
                                next=f"yield one sample or batch at a time from {what}")
        iterator, end = iter(values), object()
        while (item := call(next, iterator, end, what=what)) is not end:
            yield item

    def inputs(self, function: Callable[..., Any]) -> Iterator[Inputs]:
        for item in self._items(function, "calibration()"):
            yield self.tensors(item, "calibration()", line_of(function))

    def batches(self, function: Callable[..., Any]) -> Iterator[tuple[Inputs, Any]]:
        for item in self._items(function, "train_data()"):
            if not isinstance(item, tuple | list) or len(item) != 2:
                raise WorkloadError("workload-bad-inputs", "train_data() yields no (inputs, target) pairs",
                                    where=line_of(function), cause=f"it yields a {type(item).__name__}",
                                    next="yield (inputs, target), inputs like example_inputs()")
            yield self.tensors(item[0], "train_data()", line_of(function)), item[1]


def workload_from(namespace: ModuleType, source: Path, name: str, weights: Path | None) -> Workload:
    """Builds the Workload that ``namespace`` describes. Raises WorkloadError for all that does not fit."""
    functions = _functions(namespace, source)
    warnings = _misspelt(functions, namespace)
    module = _module(functions["load"], weights)
    single = _in_other_precision(module)
    if single:
        module = module.float()
        warnings.append("the module's floating-point weights were turned into float32, and so are its inputs")
    example_at = line_of(functions["example_inputs"])
    raw = call(functions["example_inputs"], what="example_inputs()")
    by_name = isinstance(raw, Mapping)
    count = len(raw) if isinstance(raw, Mapping | tuple | list) else 1
    names = input_order(module, raw) if by_name else input_names_of(module, count)
    if not count:
        raise WorkloadError("workload-bad-inputs", "example_inputs() is empty", where=example_at,
                            cause="an artifact needs at least one input tensor", next="return one call's inputs")
    iterables = _UserIterables(names, single)
    example = iterables.tensors(raw, "example_inputs()", example_at)
    outputs = run_once(module, example, names, by_name=by_name, where=example_at)
    leaves = flatten_outputs(outputs)
    if not leaves:
        raise WorkloadError("workload-bad-output", "forward() returns no tensor", where=line_of(type(module).forward),
                            next="return at least one tensor from forward()")
    if by_name or not is_flat(outputs):
        module = make_positional(module, names, by_name=by_name)
    template = outputs

    def optional(function_name: str, convert: Callable[[Callable[..., Any]], Any]) -> Any:
        return convert(functions[function_name]) if function_name in functions else None

    def evaluate(predict: Predict) -> float:
        value = call(functions["evaluate"], _structured(predict, names, template), what="evaluate()")
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise WorkloadError("workload-bad-metric", f"evaluate() returned a {type(value).__name__}",
                                where=line_of(functions["evaluate"]), next="return one number") from error

    def loss(outputs: Any, target: Any) -> torch.Tensor:
        flat = outputs if isinstance(outputs, tuple) else (outputs,)
        value: torch.Tensor = call(functions["loss"], rebuild(template, iter(flat)), target, what="loss()")
        return value

    return Workload(
        name=name, source=source, module=module, example=example, input_names=names,
        output_names=output_names([p for p, _ in leaves], names),
        dynamic_batch=bool(optional("dynamic_shapes", lambda f: dynamic_batch(
            call(f, what="dynamic_shapes()"), names, line_of(f)))),
        calibration=optional("calibration", lambda f: lambda: iterables.inputs(f)),
        evaluate=optional("evaluate", lambda f: evaluate),
        metric=optional("evaluate", lambda f: _metric(namespace, source)),
        train_data=optional("train_data", lambda f: lambda: iterables.batches(f)),
        loss=optional("loss", lambda f: loss),
        labels=optional("labels", lambda f: _labels(call(f, what="labels()"), line_of(f))),
        preprocess=optional("preprocess", lambda f: check_preprocess(call(f, what="preprocess()"), line_of(f))),
        warnings=warnings)


def _labels(value: Any, where: str | None) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise WorkloadError("workload-bad-labels", f"labels() returned a {type(value).__name__}", where=where,
                            next="return a list of names, one a class, in the order of the output")
    return [str(v) for v in value]
