# The steps of build.sh, which sets the variables: folders ($ci, $demo, $work), tools, and by select_flavor the flavor's
# own ($flavor, its folder $w, $apk, $aab, and the app's numbers).

# step NAME COMMAND...: runs it and says how long it took; what it said is shown where it fails.
step() {
  local name=$1 begun=${EPOCHREALTIME/./} log status
  log=$(mktemp "$work/log.XXXXXX")
  shift
  set +e # not as a condition: in one, bash would go on inside after a command that fails
  (set -e && "$@") >"$log" 2>&1
  status=$?
  set -e
  if ((status)); then
    cat "$log" >&2
    stop 3 "the step \"$name\" failed; what it said stands above"
  fi
  printf '%-28s %5.1f s\n' "$name" "$(((${EPOCHREALTIME/./} - begun) / 100000))e-1"
}

javac_stubs() { # FOLDER JAR CLASSPATH
  mapfile -t sources < <(find "$1" -name '*.java' | sort)
  ((${#sources[@]})) || { echo "no Java sources in $1"; return 1; }
  "$jdk/bin/javac" -nowarn -Xlint:-options --release 11 -cp "$3" -d "$2.classes" "${sources[@]}"
  "$python" "$ci/archive.py" zip "$2" "$2.classes"
}

kotlin_arguments() { # FILE JAR CLASSPATH SOURCE...
  local file=$1 jar=$2 classpath=$3
  shift 3
  # Without a JDK: java.* is Android's, that is Java 8's. The compiler's own Kotlin is newer than the app's.
  printf '%s\n' -no-stdlib -no-reflect -no-jdk -language-version 2.3 -api-version 2.3 -jvm-target 11 -Werror \
    -cp "$work/java-api.jar:$kotlin/stdlib.jar:$json:$classpath" -d "$jar" "$@" >"$file"
}

compile() { # the app's core, then each flavor against it
  local name runtime files=("$work/core.args")
  kotlin_arguments "$work/core.args" "$work/core.jar" "" "$demo/core/src/main"
  for name in "${flavors[@]}"; do
    case $name in
      executorch) runtime=$executorch/classes.jar ;; # the real classes; of the others only stubs are to be had
      litert) runtime=$work/litert.jar ;;
      onnx) runtime=$work/onnxruntime.jar ;;
    esac
    kotlin_arguments "$work/$name/app.args" "$work/$name/app.jar" \
      "$work/core.jar:$work/android.jar:$work/$name/generated.jar:$runtime" \
      "$demo/app/src/main" "$demo/app/src/$name"
    files+=("$work/$name/app.args")
  done
  "${java[@]}" -cp "$kotlin/compiler.jar" "$ci/Kotlin.java" "${files[@]}"
}

link() { # OUTPUT OPTION...: manifest and resources of the flavor in $w
  local output=$1
  shift
  cd "$w" # as in resources(): app bundles keep the paths that aapt2 is given, and those must be the same anywhere
  aapt2 link -o "$output" -I "$framework" --manifest AndroidManifest.xml \
    --rename-manifest-package "$package" --min-sdk-version "$min_sdk" --target-sdk-version "$target_sdk" \
    --version-code "$version_code" --version-name "$version_name" \
    --auto-add-overlay "$@" res-*.zip
}

resources() {
  local folder
  "$python" "$ci/app.py" "$demo" "$flavor" "$w/AndroidManifest.xml"
  cd "$demo/app/src"
  for folder in main "$flavor"; do
    [[ ! -d $folder/res ]] || aapt2 compile --dir "$folder/res" -o "$w/res-$folder.zip"
  done
  link "$w/base.apk" --java "$w/gen" --proguard "$w/aapt.pro"
  mkdir "$w/module"
  link "$w/module" --proto-format --output-to-dir
}

generated() {
  mapfile -t sources < <(find "$w/gen" -name '*.java' | sort)
  "$jdk/bin/javac" -nowarn -Xlint:-options --release 11 -d "$w/generated.classes" "${sources[@]}"
  "$python" "$ci/archive.py" zip "$w/generated.jar" "$w/generated.classes"
}

shrink() {
  local name pairs=()
  for name in "${flavors[@]}"; do
    mkdir "$work/$name/dex"
    {
      printf '%s\n' --release --min-api "$min_sdk" --no-data-resources --output "$work/$name/dex" \
        --lib "$work/java-api.jar" --lib "$work/android.jar" --lib "$json" \
        --pg-map-output "$work/$name/mapping.txt" --pg-conf "$ci/defaults.pro" \
        --pg-conf "$ci/compile_check.pro" --pg-conf "$demo/app/proguard-rules.pro" \
        --pg-conf "$work/$name/aapt.pro"
      printf '%s\n' "$work/core.jar" "$work/$name/app.jar" "$work/$name/generated.jar" "$kotlin/stdlib.jar" \
        "$kotlin/annotations.jar"
      [[ $name != executorch ]] || echo "$executorch/classes.jar"
    } >"$work/$name/r8.args"
    pairs+=("$work/$name/r8.args=$ci/allowed-missing/$name.txt")
  done
  "${java[@]}" -cp "$bundletool/bundletool.jar" "$ci/Shrink.java" "${pairs[@]}"
}

sign() {
  "$python" "$ci/archive.py" apk "$w/unsigned.apk" "$w/base.apk" "$w/assets=assets/" "$w/dex="
  apksigner sign --ks "$key" --ks-pass pass:android --min-sdk-version "$min_sdk" --v1-signing-enabled false \
    --v2-signing-enabled true --v3-signing-enabled true --out "$w/$apk" "$w/unsigned.apk"
  apksigner verify -Werr --verbose --min-sdk-version "$min_sdk" "$w/$apk" | tee "$w/signature.txt"
  grep -q '(APK Signature Scheme v2): true' "$w/signature.txt"
  grep -q '(APK Signature Scheme v3): true' "$w/signature.txt"
}

app_bundle() {
  mkdir "$w/manifest"
  mv "$w/module/AndroidManifest.xml" "$w/manifest"
  "$python" "$ci/archive.py" zip "$w/base.zip" "$w/module=" "$w/assets=assets/" "$w/manifest=manifest/" "$w/dex=dex/"
  local modules=$w/base.zip
  if [[ -d $w/pack ]]; then
    mkdir "$w/pack.module" "$w/pack.manifest"
    aapt2 link -o "$w/pack.module" --proto-format --output-to-dir -I "$framework" \
      --manifest "$w/pack/AndroidManifest.xml" # without SDK levels: a pack takes the app's
    mv "$w/pack.module/AndroidManifest.xml" "$w/pack.manifest"
    "$python" "$ci/archive.py" zip "$w/ai-pack.zip" "$w/pack/assets=assets/" "$w/pack.manifest=manifest/"
    modules+=,$w/ai-pack.zip
  fi
  "${java[@]}" -jar "$bundletool/bundletool.jar" build-bundle --modules="$modules" --output="$w/$aab" \
    --config="$ci/bundle_config.json"
  "${java[@]}" -jar "$bundletool/bundletool.jar" validate --bundle="$w/$aab"
}

select_flavor() {
  flavor=$1 w=$work/$1 apk=edgekit-demo-$1-compile-check.apk aab=edgekit-demo-$1-compile-check.aab
  facts=$("$python" "$ci/app.py" "$demo" "$flavor")
  eval "$facts" # package, min_sdk, target_sdk, version_code, version_name
}
