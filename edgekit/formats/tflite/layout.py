"""The model's border: channels-last inputs and outputs, and outputs that nothing inside reads."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.formats.tflite.flatbuffer import operator_name

__all__ = ["channels_last", "separate_outputs"]

_TO_LAST, _TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def channels_last(model: Any, inputs: list[int], outputs: list[int]) -> None:
    """Makes the 4-D inputs and outputs at these positions NHWC, editing a ``ModelT`` in place."""
    border = _Border(model)
    for position in inputs:
        border.input_last(position)
    for position in outputs:
        border.output_last(position)


def separate_outputs(model: Any) -> None:
    """Gives every float output that is also read inside, is an input, or is given twice, a copy of its own.

    ai-edge-quantizer 0.10.0 wires such an output wrongly where it is to be float in a static model: the inner reader
    gets the dequantised value and still writes integers. A transpose that changes nothing is the copy.
    """
    border = _Border(model)
    for position in range(len(border.main.outputs)):
        border.copy_shared_output(position)


class _Border:
    def __init__(self, model: Any) -> None:
        self.model, self.main = model, model.subgraphs[0]
        self.signature = model.signatureDefs[0]

    def input_last(self, position: int) -> None:
        first = self.main.inputs[position]
        last = self._new_tensor(first, _TO_LAST)
        for op in [op for op in self.main.operators if self._permutes(op, _TO_LAST) and op.inputs[0] == first]:
            if op.outputs[0] not in list(self.main.outputs):
                self.main.operators.remove(op)
                self._replace(op.outputs[0], last)
        if any(first in list(op.inputs) for op in self.main.operators) or first in list(self.main.outputs):
            self.main.operators.insert(0, self._transpose(last, first, _TO_FIRST))
        self._set(self.main.inputs, self.signature.inputs, position, last)

    def output_last(self, position: int) -> None:
        first = self.main.outputs[position]
        maker = next((op for op in self.main.operators if first in list(op.outputs)), None)
        alone = not any(first in list(op.inputs) for op in self.main.operators)
        if maker is not None and alone and self._permutes(maker, _TO_FIRST) and \
                maker.inputs[0] not in [*self.main.inputs, *self.main.outputs]:
            last = maker.inputs[0]
            self.main.operators.remove(maker)
        else:
            last = self._new_tensor(first, _TO_LAST)
            self.main.operators.append(self._transpose(first, last, _TO_LAST))
        self._set(self.main.outputs, self.signature.outputs, position, last)

    def copy_shared_output(self, position: int) -> None:
        from ai_edge_litert import schema_py_generated as schema

        shared = self.main.outputs[position]
        tensor, ends = self.main.tensors[shared], [*self.main.inputs, *self.main.outputs[:position]]
        read = any(shared in list(op.inputs) for op in self.main.operators)
        if not (read or shared in ends) or tensor.type != schema.TensorType.FLOAT32 or not len(tensor.shape):
            return
        order = tuple(range(len(tensor.shape)))
        copied = self._new_tensor(shared, order)
        self.main.operators.append(self._transpose(shared, copied, order))
        self._set(self.main.outputs, self.signature.outputs, position, copied)

    def _permutes(self, op: Any, order: tuple[int, ...]) -> bool:
        if operator_name(self.model, op) != "TRANSPOSE":
            return False
        data = self.model.buffers[self.main.tensors[op.inputs[1]].buffer].data
        return data is not None and tuple(np.frombuffer(bytes(bytearray(data)), np.int32)) == order

    def _replace(self, old: int, new: int) -> None:
        for op in self.main.operators:
            op.inputs = [new if t == old else t for t in op.inputs]

    def _new_tensor(self, like: int, order: tuple[int, ...]) -> int:
        from ai_edge_litert import schema_py_generated as schema

        old = self.main.tensors[like]
        open_sizes = None if old.shapeSignature is None else [old.shapeSignature[i] for i in order]
        self.main.tensors.append(schema.TensorT(
            name=old.name, type=old.type, buffer=0, hasRank=True,
            shape=[old.shape[i] for i in order], shapeSignature=open_sizes))
        return len(self.main.tensors) - 1

    def _transpose(self, source: int, target: int, order: tuple[int, ...]) -> Any:
        from ai_edge_litert import schema_py_generated as schema

        self.model.buffers.append(schema.BufferT(data=np.frombuffer(np.array(order, np.int32).tobytes(), np.uint8)))
        self.main.tensors.append(schema.TensorT(
            name=f"order_{len(self.main.tensors)}".encode(), type=schema.TensorType.INT32,
            buffer=len(self.model.buffers) - 1, shape=[len(order)], hasRank=True))
        return schema.OperatorT(
            opcodeIndex=self._transpose_code(), inputs=[source, len(self.main.tensors) - 1], outputs=[target],
            builtinOptionsType=schema.BuiltinOptions.TransposeOptions, builtinOptions=schema.TransposeOptionsT())

    def _transpose_code(self) -> int:
        from ai_edge_litert import schema_py_generated as schema

        wanted = schema.BuiltinOperator.TRANSPOSE
        for index, code in enumerate(self.model.operatorCodes):
            if code.builtinCode == wanted:
                return index
        self.model.operatorCodes.append(schema.OperatorCodeT(deprecatedBuiltinCode=wanted, builtinCode=wanted,
                                                             version=1))
        return len(self.model.operatorCodes) - 1

    def _set(self, ends: Any, entries: Any, position: int, new: int) -> None:
        ends[position] = new
        entries[position].tensorIndex = new
