"""What a recipe's ``fidelity`` means where it leaves something out, by scheme."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FIDELITY_DEFAULTS", "FidelityDefaults"]


class FidelityDefaults(NamedTuple):
    """``min_sqnr_db``: an artifact below it is wrong or useless, not merely worse. ``widen``: see the schema."""

    min_sqnr_db: float
    widen: str


# Floors, not goals. float32 kernels differ by summation order (90 to 130 dB seen), so 60 dB means another function.
# float16 carries 11 bits: about 60 dB a layer, 40 after many. Eight-bit activations end at 15 to 35 dB on trained
# networks; with 16-bit ones or float compute only the weights' rounding is left.
FIDELITY_DEFAULTS: dict[str, FidelityDefaults] = {
    "fp32": FidelityDefaults(60.0, "off"),
    "fp16": FidelityDefaults(40.0, "off"),
    "w8a8-static": FidelityDefaults(15.0, "auto"),
    "w8a8-dynamic": FidelityDefaults(15.0, "auto"),
    "w8-weight-only": FidelityDefaults(20.0, "auto"),
    "w4-weight-only": FidelityDefaults(10.0, "auto"),
    "w8a16-static": FidelityDefaults(25.0, "auto"),
}
