"""A jar of java.*'s signatures of Java 8, out of the JDK's own ct.sym: what Android 8.0 has, give or take little.

The compilers see this in place of the JDK, so a call that is newer fails to compile. It holds no code.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

from say import ENVIRONMENT, stop

# ct.sym's top folders are named by the releases that their signatures are for, one letter each: 8, 9, A (10), ...
_RELEASE = "8"
_MODULES = {"java.base", "java.logging", "java.xml"}


def write_jar(ct_sym: Path, jar: Path) -> None:
    classes: dict[str, bytes] = {}
    with zipfile.ZipFile(ct_sym) as signatures:
        for entry in signatures.namelist():
            releases, _, rest = entry.partition("/")
            module, _, name = rest.partition("/")
            if _RELEASE in releases and "-" not in releases and module in _MODULES and name.endswith(".sig"):
                classes[name.removesuffix(".sig") + ".class"] = signatures.read(entry)
    classes.pop("module-info.class", None)
    if "java/lang/Object.class" not in classes:
        stop(ENVIRONMENT, f"{ct_sym} has no signatures of Java 8. Next: apt-get install -y default-jdk-headless")
    with zipfile.ZipFile(jar, "w") as written:
        for name in sorted(classes):
            written.writestr(zipfile.ZipInfo(name), classes[name])


if __name__ == "__main__":
    write_jar(Path(sys.argv[1]), Path(sys.argv[2]))
