"""Running artifacts on targets: this machine, an emulated Arm device, a device behind ssh or adb."""
