package dev.edgekit.demo

import android.content.Context
import android.os.Build
import android.os.PowerManager
import dev.edgekit.core.DeviceFacts
import dev.edgekit.core.Surroundings
import dev.edgekit.core.peakRssBytes
import java.io.File

/** The phone and the app, as a result names them, at this moment. */
fun surroundings(context: Context) = Surroundings(
    runtime = BuildConfig.RUNTIME,
    peakRssBytes = peakRssBytes(File("/proc/self/status").readText()),
    device = DeviceFacts(
        manufacturer = Build.MANUFACTURER,
        model = Build.MODEL,
        soc = if (Build.VERSION.SDK_INT >= 31) Build.SOC_MODEL else null,
        sdk = Build.VERSION.SDK_INT,
        abis = Build.SUPPORTED_ABIS.toList(),
        emulated = Build.HARDWARE in listOf("goldfish", "ranchu", "cutf_cvm"),
        thermalStatus = thermalStatus(context),
    ),
    appPackage = BuildConfig.APPLICATION_ID,
    appVersion = BuildConfig.VERSION_NAME,
)

private fun thermalStatus(context: Context): Int? =
    if (Build.VERSION.SDK_INT >= 29) context.getSystemService(PowerManager::class.java)?.currentThermalStatus else null
