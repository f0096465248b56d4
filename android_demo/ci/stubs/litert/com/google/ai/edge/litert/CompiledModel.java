package com.google.ai.edge.litert;

import android.content.res.AssetManager;
import java.util.List;

public final class CompiledModel extends JniHandle {
    private CompiledModel() { throw new RuntimeException("stub"); }

    public static CompiledModel create(
            AssetManager assetManager, String assetName, Options options, Environment optionalEnv)
            throws LiteRtException { throw new RuntimeException("stub"); }

    public List<TensorBuffer> createInputBuffers() throws LiteRtException { throw new RuntimeException("stub"); }

    public List<TensorBuffer> createOutputBuffers() throws LiteRtException { throw new RuntimeException("stub"); }

    public void run(List<TensorBuffer> inputs, List<TensorBuffer> outputs) throws LiteRtException {
        throw new RuntimeException("stub");
    }

    public static final class CpuOptions {
        public CpuOptions(Integer numThreads, Integer xnnPackFlags, String xnnPackWeightCachePath) {
            throw new RuntimeException("stub");
        }
    }

    public static final class Options {
        public Options(Accelerator... accelerators) { throw new RuntimeException("stub"); }

        public CpuOptions getCpuOptions() { throw new RuntimeException("stub"); }

        public void setCpuOptions(CpuOptions cpuOptions) { throw new RuntimeException("stub"); }
    }
}
