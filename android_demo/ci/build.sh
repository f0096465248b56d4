#!/usr/bin/env bash
# Compiles the app's very sources into signed APKs and app bundles without Gradle and without Google's SDK: a check that
# everything compiles, links, shrinks, packs and signs. What it makes holds no native runtime: it cannot infer.
#
#   build.sh [--bundle DIR] [--flavor NAME...] [-o OUT] [--key FILE] [--work DIR]
#   build.sh --setup        installs what is missing (apt-get, as root) and fetches the tools of tools.json
#
# OUT, by default android_demo/ci/out, gets edgekit-demo-FLAVOR-compile-check.apk and .aab once all of them are made and
# copied beside their places. --key takes a PKCS12 store (password "android"), with which the same input gives the same
# bytes; --work keeps what lies between.
# Exit status: 0 done; 2 usage or bundle; 3 a build step failed; 5 a tool is missing.
set -euo pipefail
export LC_ALL=C
ci=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) demo=$(dirname "$ci")
python=${PYTHON:-python3}
[[ $python != */* || $python == /* ]] || python=$PWD/$python

stop() { echo "build.sh: $2" >&2; exit "$1"; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
  stop 5 "$python is not Python 3.11 or newer. Next: apt-get install -y python3, or PYTHON=/path/to/python3.11 $0"

bundle=$demo/bundle out=$ci/out key= work= flavors=()
while (($#)); do
  case $1 in
    --setup)
      "$python" "$ci/debian.py" install build tests fetch
      "$python" "$ci/fetch.py"
      exit ;;
    --flavor)
      shift
      (($#)) && [[ $1 != -* ]] || stop 2 "--flavor wants a name: litert, executorch or onnx"
      while (($#)) && [[ $1 != -* ]]; do flavors+=("$1"); shift; done
      continue ;;
    --bundle | -o | --out | --key | --work)
      (($# > 1)) || stop 2 "$1 wants a value"
      case $1 in
        --bundle) bundle=$2 ;; -o | --out) out=$2 ;; --key) key=$2 ;; --work) work=$2 ;;
      esac
      shift ;;
    -h | --help) sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit ;;
    *) stop 2 "unknown option $1. Next: $0 --help" ;;
  esac
  shift
done
[[ ! $key || -f $key ]] || stop 2 "there is no file $key"

"$python" "$ci/debian.py" need build
chosen=$("$python" "$ci/bundle.py" check "$bundle" "$demo" "${flavors[@]}")
read -ra flavors <<<"$chosen"
found=$("$python" "$ci/fetch.py" kotlin bundletool executorch)
while IFS== read -r name folder; do declare "$name=$folder"; done <<<"$found"

mkdir -p "$out" 2>/dev/null && [[ -w $out ]] || stop 2 "$out cannot be written. Next: another folder for -o"
packages=()
for flavor in "${flavors[@]}"; do packages+=("edgekit-demo-$flavor-compile-check".{apk,aab}); done
for package in "${packages[@]}"; do
  [[ ! -e $out/$package || -f $out/$package ]] ||
    stop 2 "$out/$package is no plain file. Next: move it away, or another folder for -o"
done

jdk=$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")")
framework=/usr/share/android-framework-res/framework-res.apk json=/usr/share/java/json-android.jar
# Short runs: the quick compiler tier, one collector thread, and no more memory than a small CI machine has.
java=("$jdk/bin/java" -Xmx1200m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC)

temporary=()
trap 'rm -rf "${temporary[@]}"' EXIT
if [[ $work ]]; then
  mkdir -p "$work"
  [[ -z $(ls -A "$work") ]] || stop 2 "the folder $work is not empty. Next: another one for --work"
  work=$(cd "$work" && pwd)
else
  work=$(mktemp -d "${TMPDIR:-/tmp}/edgekit-android.XXXXXX")
  temporary+=("$work")
fi

source "$ci/steps.sh"

begun=$SECONDS
step "java.* of Java 8" "$python" "$ci/java_api.py" "$jdk/lib/ct.sym" "$work/java-api.jar"
step "stubs of Android" javac_stubs "$ci/stubs/android" "$work/android.jar" "$json"
for name in litert onnxruntime; do
  step "stubs of $name" javac_stubs "$ci/stubs/$name" "$work/$name.jar" "$work/android.jar"
done
for flavor in "${flavors[@]}"; do
  select_flavor "$flavor"
  mkdir "$w"
  step "$flavor: assets" "$python" "$ci/bundle.py" stage "$bundle" "$demo" "$flavor" "$w"
  step "$flavor: resources" resources
  step "$flavor: generated classes" generated
done
step "Kotlin" compile
step "R8" shrink
if [[ ! $key ]]; then
  key=$work/key.p12
  step "a key for today" "$jdk/bin/keytool" -genkeypair -keystore "$key" -storetype PKCS12 -storepass android \
    -alias compile-check -keyalg RSA -keysize 2048 -validity 30 -dname "CN=compile check"
fi
for flavor in "${flavors[@]}"; do
  select_flavor "$flavor"
  step "$flavor: APK" sign
  step "$flavor: app bundle" app_bundle
done

# All into OUT's file system first, which may be full; then by renaming, which needs no room.
made=$(mktemp -d "$out/.making.XXXXXX") || stop 3 "$out cannot be written. Next: see that its disk has room"
temporary+=("$made")
for package in "${packages[@]}"; do
  flavor=${package#edgekit-demo-} flavor=${flavor%-compile-check.*}
  cp "$work/$flavor/$package" "$made/$package" && chmod 644 "$made/$package" ||
    stop 3 "$package cannot be copied to $out, where nothing was changed. Next: see that its disk has room"
done
for package in "${packages[@]}"; do
  mv -fT "$made/$package" "$out/$package" ||
    stop 3 "$out/$package cannot be replaced; those before it are new. Next: see why, then build again"
done
echo "$out: ${flavors[*]}, compiled in $((SECONDS - begun)) s. Compile checks only: no native runtime is inside."
