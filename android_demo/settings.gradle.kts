import java.util.Properties

pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositoriesMode = RepositoriesMode.FAIL_ON_PROJECT_REPOS
    repositories {
        google()
        mavenCentral()
    }
}

rootProject.name = "edgekit-demo"
include(":core", ":app")

// A model too large for an app's base module comes as an AI pack, which is a module of its own.
val bundle = Properties().apply {
    settingsDir.resolve("bundle/edgekit.properties").takeIf { it.isFile }?.inputStream()?.use { load(it) }
}
if (bundle.getProperty("delivery") == "ai-pack") {
    include(":models")
    project(":models").projectDir = settingsDir.resolve("bundle/ai-pack")
}
