"""What an app on a phone has room for: the device's budget for an app; and what Google Play delivers."""

from __future__ import annotations

from edgekit.devices.profile import Device
from edgekit.errors import DeviceError
from edgekit.types.app import MIN_API
from edgekit.types.bundle import Delivery
from edgekit.types.report import ArtifactReport

__all__ = ["check_device", "check_room"]

_MIB = 2**20
# Google Play's limits on compressed downloads: Play Console Help, "Optimize your app's size and stay within Google Play
# app size limits" (a base module of 200 MB, which holds more than the model; an asset or AI pack of 1.5 GB). Stored
# copies of that page differ, and not every app goes there: a word, no refusal.
_PLAY_BYTES: dict[Delivery, int] = {"assets": 200_000_000, "ai-pack": 1_500_000_000}


def check_device(device: Device) -> None:
    """Raises DeviceError ``bundle-device`` for a device that runs no such app."""
    if device.api_level is None or device.api_level < MIN_API:
        raise DeviceError("bundle-device", f"{device.id} cannot run the app", where=device.id,
                          cause=f"it has {device.os}; the app needs Android 8, API level {MIN_API}",
                          next="name an Android device: edgekit devices list; --device ID")


def check_room(made: ArtifactReport, device: Device | None, delivery: Delivery) -> list[str]:
    """What a user should know of it, in words.

    Raises DeviceError ``model-does-not-fit`` where the model needs more memory than the device gives an app.
    """
    artifact = made.artifact
    notes = []
    if artifact.compressed_bytes > _PLAY_BYTES[delivery]:
        notes.append(f"{artifact.path} has {artifact.compressed_bytes / 1e6:,.0f} MB compressed; Google Play delivers "
                     f"{_PLAY_BYTES[delivery] / 1e6:,.0f} MB "
                     + ("in an app: give --delivery ai-pack" if delivery == "assets" else "as a pack"))
    if device is None:
        return [*notes, f"{artifact.path}: no device is named, so memory is not held against a budget"]
    if not made.memory:
        return [*notes, f"{artifact.path}: nobody predicts its memory, so it is not held against {device.id}'s budget"]
    needs = max(memory.peak_bytes for memory in made.memory)
    if needs > device.app_budget_mb * _MIB:
        raise DeviceError("model-does-not-fit", f"{artifact.path} needs {needs / _MIB:,.0f} MiB at its peak "
                          f"[predicted], {device.id} gives an app {device.app_budget_mb:,} MiB", where=artifact.path,
                          next="compress or quantise the model, or take a smaller input")
    return notes
