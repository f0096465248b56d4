"""Codes of errors in running artifacts on targets. Sorted by code."""

from __future__ import annotations

__all__ = ["MEASURING"]

# code -> (title, explanation with the usual ways out)
MEASURING: dict[str, tuple[str, str]] = {
    "adb-missing": (
        "adb is not installed",
        "The target adb runs the real `adb` client: install Debian's or Ubuntu's package adb, or Google's platform "
        "tools, and have it on the PATH."),
    "app-crashed": (
        "the sample app ended in the middle",
        "Its process was gone and had left no result. The cause has the last lines that tell of the device's own crash "
        "log (`adb logcat -d -b crash`). A system short of memory ends apps without any. Without --app the same file "
        "runs in a small program: where that works, the app or its library is at fault."),
    "app-failed": (
        "the sample app could not do what it was asked",
        "The cause has the app's words. App and edgekit are to be of one release: fill the app again with "
        "`edgekit bundle DIR --app PATH`, build it and install it."),
    "app-format": (
        "the sample app does not run a format",
        "It has LiteRT, ExecuTorch and ONNX Runtime, each in an app of its own. Another package's format is measured "
        "without --app, where its target can."),
    "app-missing": (
        "the sample app is not installed on the device",
        "`edgekit measure --app` runs an artifact inside the app: fill it with `edgekit bundle DIR --app PATH`, then "
        "`gradle installLitertDebug` in PATH (installExecutorchDebug, installOnnxDebug) with the device "
        "connected. Each format is an app of its own."),
    "app-model-changed": (
        "the sample app holds another model",
        "The app's model has another sha256 than the artifact: it was exported anew since. Fill the app again with "
        "`edgekit bundle DIR --app PATH`, build it and install it."),
    "app-options": (
        "--app was asked together with what it cannot do",
        "The sample app runs on Android devices, --on adb or adb:SERIAL. It times whole inferences: the runtime's own "
        "times of operators come from a run without --app, and so does --oldest-runtime."),
    "app-refused": (
        "the device did not start the sample app's benchmark",
        "The cause has the words of Android's `am`. Its activity may be started by adb's shell only (permission DUMP). "
        "An app from another release of edgekit may have none: build it again and install it."),
    "app-result": (
        "what the sample app wrote cannot be used",
        "The result is cut short, is not the document edgekit/app-result/1, or answers something else than was asked. "
        "No figure of it is taken. Look for a full disk on the device; build the app from this release of edgekit."),
    "calibration-device": (
        "a calibration is another device's",
        "`DEVICE.calibration.yaml` holds what instructions cost on one device. `edgekit estimate` takes the one beside "
        "a profile's own file, or --calibration FILE, for that device only."),
    "core-unknown": (
        "there is no model of a device's core",
        "A profile's clusters name their cores, and what runs there depends on the core's part number, instruction set "
        "and caches: device_profiles/cores/ has one file a core. Write one for yours, with the sources of its figures, "
        "or take a device whose core is there."),
    "device-threads": (
        "more threads than the target has cores",
        "Counts are made on cores of one kind. Ask for as many threads as the device's cluster has cores, or fewer."),
    "emulator-build": (
        "a program of the emulated device could not be built",
        "The cause is the compiler's first error. The plugin needs gcc, the runners aarch64-linux-gnu-gcc and g++ of "
        "version 11 or later."),
    "emulator-damaged": (
        "a fetched file of the emulated device changed",
        "A file in edgekit's cache no longer has the hash that it was fetched with. `edgekit doctor --setup emulator` "
        "fetches it again."),
    "emulator-missing": (
        "the emulated device is not set up",
        "`edgekit doctor --setup emulator` gets qemu-user, the guest's C library, a cross compiler and the runtimes' "
        "aarch64 wheels: as root through the system's packages, else unpacked into edgekit's cache."),
    "emulator-no-plugins": (
        "the emulator found cannot count",
        "Counting takes a qemu-aarch64 that loads plugins, of QEMU 7.2 to 8.2: Debian 12's and Ubuntu 24.04's package "
        "qemu-user. qemu-user-static and the builds in Debian's backports are made without."),
    "emulator-version": (
        "the emulator found is of another version",
        "The counting plugin uses version 1 of QEMU's plugin interface, which QEMU 7.2 to 8.2 have. Put Debian 12's "
        "or Ubuntu 24.04's qemu-aarch64 first on the PATH."),
    "golden-malformed": (
        "the golden vectors beside an artifact cannot be read",
        "`edgekit measure` feeds an artifact the first golden vector beside it. Export the model again, or move the "
        "artifact elsewhere: then made-up inputs are used."),
    "golden-missing": (
        "there are no golden vectors beside an artifact",
        "The sample app answers its own golden vectors, so the comparison needs them here too: measure the artifact in "
        "the folder that `edgekit export` wrote, with golden/ and manifest.json, from which the app was filled."),
    "memory-format": (
        "nobody knows how a format's runtime plans its memory",
        "Peak memory is predicted for LiteRT, ExecuTorch and ONNX Runtime, whose planners are public and whose own "
        "needs were measured once. For another package's format, measure: on a device, or on the emulated one."),
    "kernels-unknown": (
        "nobody counted a runtime's kernels on such a core",
        'Tier "analytic" predicts from tables of what each runtime\'s kernels execute: device_profiles/kernels/FORMAT/ '
        "has one for each set of instructions that kernels are chosen by. Tier counts needs none."),
    "model-does-not-fit": (
        "a model needs more memory than the device gives an app",
        "The memory is what the artifact's data touched at its peak, the runtime's own not counted. int8 takes a "
        "quarter of float32; a smaller input shrinks activations. `app_budget_mb` in the device's profile is what an "
        "app may plan with."),
    "oldest-runtime-format": (
        "the oldest runtime was asked about another format",
        "`--oldest-runtime` runs a .tflite in tflite_runtime 2.14.0, the last release, which boards in the field have. "
        "ExecuTorch and ONNX files run in the runtime that they were exported for."),
    "operators-unavailable": (
        "a target gives no times of operators",
        "An emulated device has no clock that says anything of a device, and this machine's runtimes are called from "
        "Python. Targets behind ssh and adb give the runtime's own times of operators."),
    "pipeline-unknown": (
        "there is no description of a core's pipeline",
        "A core names how instructions pass through it: one of device_profiles/pipelines/. Take that of a core that is "
        "alike, or write one, with the sources of its figures."),
    "ssh-missing": (
        "the OpenSSH client is not installed",
        "The target ssh runs the real `ssh` client with its own configuration: install openssh-client."),
    "outputs-differ": (
        "an emulated device computes something else",
        "An estimate is made only of an artifact whose outputs on the emulated device are this machine's, within the "
        "tolerance of golden vectors. `edgekit measure --on emulated:DEVICE` shows how far apart they are."),
    "processor-format": (
        "a device cannot run the artifact's format",
        "The profile's `processors` list the formats whose runtime the device has. Export for one of them."),
    "samples-few": (
        "too few measured models to calibrate a device",
        "Costs of a core are moved to measurements of at least five models, better ten of different kinds and sizes: "
        "fewer say how fast the device is, but not what it is slow at."),
    "target-address": (
        "a target's address is missing or wrong",
        "Targets are written host, emulated:DEVICE with a device's id or the file of a profile, ssh:HOST as you would "
        "call ssh, or adb with :SERIAL where several devices are connected."),
    "target-emulated": (
        "an emulated target cannot calibrate a device",
        "A calibration rests on measured milliseconds, and the clock of an emulated device says nothing of one, "
        "whatever protocol it is reached by. Measure on the device itself, or give measurements that somebody made."),
    "target-failed": (
        "a target could not take or give a file",
        "The cause has the target's words. Its folder is /tmp behind ssh and /data/local/tmp behind adb; "
        "EDGEKIT_TARGET_FOLDER names another, from which programs may be run."),
    "target-lost": (
        "the connection to a target ended in the middle",
        "Check the network or the cable and the target's power, and run it again. What was pushed may still lie in the "
        "target's folder, as edgekit-*."),
    "target-machine": (
        "a target is no 64-bit Arm system",
        "The runtimes are run from their aarch64 libraries. A board with a 32-bit system on a 64-bit processor cannot "
        "run them: install its 64-bit system."),
    "target-no-space": (
        "a target's disk is full",
        "Runner, runtime and C library take 11 to 30 MB beside the model. Free some space, or name another folder of "
        "the target in EDGEKIT_TARGET_FOLDER."),
    "target-timeout": (
        "the target took too long",
        "Emulation is 10 to 50 times slower than a device, and a first run loads the runtime. Give it longer with "
        "--timeout; a board may also be busy."),
    "target-unknown": (
        "there is no such target",
        "`edgekit measure --on` takes host, emulated:DEVICE, ssh:HOST and adb[:SERIAL], and the targets of packages "
        "that register one."),
    "target-unreachable": (
        "there is no connection to a target",
        "Make the plain client work first, without questions: `ssh -o BatchMode=yes HOST true`, or `adb devices` with "
        "the device listed as 'device'. An unknown host key is accepted by connecting once by hand."),
    "timing-unknown": (
        "nobody knows what instructions cost on a core",
        "Latency is predicted from executed instructions and cache misses, priced by their costs on the device's core: "
        "device_profiles/timing/ has one file a core, fitted to measured networks or taken from a relative."),
    "wheel-missing": (
        "a runtime's aarch64 wheel could not be fetched",
        "pip found no wheel, or no package index. Check `pip config list` and the network. Versions are those that "
        "export and verify here, because a newer runtime may compute otherwise."),
}
