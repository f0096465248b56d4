"""What the tests of graph rewrites share: a module of one function, and its capture, compared with the module."""

from pathlib import Path

import torch
from torch import nn

from edgekit.contracts import Workload
from edgekit.quantize.kinds import op_name
from edgekit.workload.capture import capture
from edgekit.workload.same import least_sqnr_db

IMAGE = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))


class Calls(nn.Module):
    """A module whose forward is ``function(self, x)``, with ``children`` as submodules."""

    def __init__(self, function, **children):
        super().__init__()
        self.function = function
        for name, child in children.items():
            setattr(self, name, child)

    def forward(self, x):
        return self.function(self, x)


def lived_in(module):
    """Gives BatchNorm the statistics and weights that training would."""
    torch.manual_seed(0)
    for m in module.modules():
        if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.normal_(m.running_mean)
            nn.init.uniform_(m.running_var, 0.5, 2)
            for parameter in m.parameters():
                nn.init.uniform_(parameter, 0.5, 2)
    return module.eval()


def captured(module, x=IMAGE):
    """The program, its operators' names in order, and the workload's warnings; outputs are compared."""
    module = lived_in(module)
    workload = Workload("net", Path(__file__), module, (x,), ("x",), ("y",))
    program = capture(workload)
    assert least_sqnr_db(module, program.exported.module(), [(x,), (torch.rand_like(x) * 3,)]) >= 100
    operators = [op_name(n) for n in program.exported.graph.nodes if n.op == "call_function"]
    return program, operators, workload.warnings
