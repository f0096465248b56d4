import torch
from torch import nn

from edgekit.compress.state import restore_state, save_state


def _net(width: int) -> nn.Module:
    torch.manual_seed(width)
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Conv2d(width, width, 3, groups=width),
                         nn.Flatten(), nn.Linear(width * 16, 5)).eval()


def test_a_narrower_module_comes_back_from_the_wide_one(tmp_path):
    narrow, x = _net(4), torch.randn(2, 3, 8, 8)
    save_state(narrow, tmp_path / "m.safetensors", {"macs_after": 7.0})
    wide = _net(8)
    restored, facts = restore_state(wide, tmp_path / "m.safetensors")
    torch.testing.assert_close(restored(x), narrow(x))
    assert facts == {"macs_after": 7.0}
    assert wide[0].out_channels == 8, "the module before compression must stay as it was"


def test_tied_parameters_keep_their_values(tmp_path):
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x))

    torch.manual_seed(0)
    tied, x = Tied().eval(), torch.randn(1, 4)
    save_state(tied, tmp_path / "m.safetensors", {})
    restored, _ = restore_state(Tied().eval(), tmp_path / "m.safetensors")
    torch.testing.assert_close(restored(x), tied(x))
    assert restored.a.weight is restored.b.weight


def test_frozen_parameters_stay_frozen(tmp_path):
    net = _net(4)
    net[0].requires_grad_(False)
    save_state(net, tmp_path / "m.safetensors", {})
    restored, _ = restore_state(_net(8), tmp_path / "m.safetensors")
    assert [p.requires_grad for p in restored.parameters()] == [p.requires_grad for p in net.parameters()]
