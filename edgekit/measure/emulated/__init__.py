"""An emulated Arm device: the unmodified aarch64 library of each runtime under ``qemu-aarch64``.

No root, no chroot, no Python inside the device: a small native runner loads the runtime's shared library, and a plugin
of the emulator counts what its kernels execute. ``guest/`` holds the sources of both.
"""
