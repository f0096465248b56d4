#!/usr/bin/env bash
# Installs the LiteRT app on the running emulator, lets it benchmark itself, and fetches the result as benchmark.json.
# Fails where the app fails or a golden vector does. An emulator's times say nothing about a phone.
set -euo pipefail

package=dev.edgekit.demo.litert
result=/sdcard/Android/data/$package/files/edgekit/ci.json
sha256=$(sha256sum bundle/litert/edgekit/model.tflite | cut -d ' ' -f 1)

adb install -r app/build/outputs/apk/litert/debug/app-litert-debug.apk
adb shell rm -f "$result"
adb shell am start -W -n "$package/dev.edgekit.demo.BenchmarkActivity" --es id ci --es model edgekit/model.tflite \
  --es sha256 "$sha256" --ei warmup 3 --ei runs 20 --ei threads 1
for _ in $(seq 120); do
  adb shell test -f "$result" && break
  sleep 1
done
adb pull "$result" benchmark.json || { adb logcat -d -s edgekit AndroidRuntime; exit 1; }
python3 - <<'PYTHON'
import json
result = json.load(open("benchmark.json"))
print(result["status"], result["error"], result["golden"])
assert result["status"] == "ok" and all(vector["pass"] for vector in result["golden"])
PYTHON
