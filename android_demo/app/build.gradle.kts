import java.util.Properties
import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.kotlin.android)
}

/** A runtime's flavor and name, and the library that the version catalog pins for it. */
class PinnedRuntime(val flavor: String, val name: String, val library: Provider<MinimalExternalModuleDependency>) {
    val version get() = library.get().versionConstraint.requiredVersion
    val coordinate get() = "${library.get().module}:$version"
}

val runtimes = listOf(
    PinnedRuntime("litert", "litert", libs.litert),
    PinnedRuntime("executorch", "executorch", libs.executorch),
    PinnedRuntime("onnx", "onnxruntime", libs.onnxruntime),
)

val bundleFolder = rootDir.resolve("bundle")
val propertiesFile = bundleFolder.resolve("edgekit.properties")
val bundle = Properties().apply { if (propertiesFile.isFile) propertiesFile.inputStream().use { load(it) } }
val hasBundle = propertiesFile.isFile

fun listed(key: String): List<String> = bundle.getProperty(key).orEmpty().split(",").filter { it.isNotBlank() }

// Android Studio opens the project without a bundle too: all flavors are there, and building one says what is missing.
val flavors = if (hasBundle) listed("flavors") else runtimes.map { it.flavor }

val problems = buildList {
    if (!hasBundle) {
        add("android_demo/bundle is not there: the app has no model; run 'edgekit bundle DIR --app android_demo'")
    } else {
        val schema = bundle.getProperty("schema")
        if (schema != "edgekit/properties/1") {
            add("bundle/edgekit.properties has the schema $schema, not edgekit/properties/1")
        }
        if (flavors.isEmpty()) add("bundle/edgekit.properties lists no flavors; run 'edgekit bundle' again")
        for (flavor in flavors) {
            val runtime = runtimes.find { it.flavor == flavor }
            val needed = bundle.getProperty("runtime.$flavor")
            if (runtime == null) {
                add("bundle/edgekit.properties lists the flavor '$flavor', which this app does not have")
            } else if (needed != runtime.coordinate) {
                add(
                    "the bundle's $flavor model needs $needed and gradle/libs.versions.toml pins " +
                        "${runtime.coordinate}; pin what it needs, or export again and run 'edgekit bundle'",
                )
            }
        }
    }
}

android {
    namespace = "dev.edgekit.demo"
    compileSdk = 36

    defaultConfig {
        applicationId = "dev.edgekit.demo"
        minSdk = 26
        targetSdk = 36
        versionCode = 1
        versionName = "0.1.0"
        if (hasBundle) ndk { abiFilters += listed("abis") }
    }

    flavorDimensions += "runtime"
    productFlavors {
        for (runtime in runtimes.filter { it.flavor in flavors }) {
            create(runtime.flavor) {
                dimension = "runtime"
                applicationIdSuffix = ".${runtime.flavor}"
                buildConfigField("String", "RUNTIME", "\"${runtime.name} ${runtime.version}\"")
            }
        }
    }

    sourceSets {
        getByName("main").assets.srcDir(bundleFolder.resolve("main"))
        for (flavor in flavors) findByName(flavor)?.assets?.srcDir(bundleFolder.resolve(flavor))
    }

    // Models are mapped or copied as they are; a compressed asset cannot be mapped.
    androidResources {
        noCompress += listOf("tflite", "pte", "onnx", "bin")
    }

    buildFeatures {
        buildConfig = true
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            isShrinkResources = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"), "proguard-rules.pro")
            signingConfig = signingConfigs.getByName("debug") // a sample: sign with your own key before you publish
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }

    if (bundle.getProperty("delivery") == "ai-pack") assetPacks += listOf(":models")
}

kotlin {
    compilerOptions {
        jvmTarget = JvmTarget.JVM_11
    }
}

dependencies {
    implementation(project(":core"))
    for (runtime in runtimes.filter { it.flavor in flavors }) {
        add("${runtime.flavor}Implementation", runtime.library)
    }
}

val checkBundle by tasks.registering {
    description = "Fails where the bundle is missing or needs other runtimes than the version catalog pins."
    val found = problems
    doLast {
        if (found.isNotEmpty()) throw GradleException(found.joinToString("\n"))
    }
}
tasks.matching { it.name == "preBuild" }.configureEach { dependsOn(checkBundle) }
