import dev.edgekit.core.Benchmark;
import dev.edgekit.core.BenchmarkRequest;
import dev.edgekit.core.BenchmarkResult;
import dev.edgekit.core.BundleFiles;
import dev.edgekit.core.BundleModel;
import dev.edgekit.core.DeviceFacts;
import dev.edgekit.core.GoldenKt;
import dev.edgekit.core.GoldenTensor;
import dev.edgekit.core.GoldenVector;
import dev.edgekit.core.ManifestReaderKt;
import dev.edgekit.core.Opener;
import dev.edgekit.core.ResultDocumentKt;
import dev.edgekit.core.Session;
import dev.edgekit.core.Surroundings;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;

/** The app's core on a bundle's assets: ID FORMAT RUNTIME PACKAGE FOLDER... prints the result of a benchmark whose
 * runtime is one that remembers: it answers the golden vectors' inputs with their outputs. */
public class AppRun {
    public static void main(String[] words) throws IOException {
        List<Path> folders = List.of(words).subList(4, words.length).stream().map(Path::of).collect(Collectors.toList());
        BundleFiles files = path -> {
            try {
                for (Path folder : folders) {
                    if (Files.exists(folder.resolve(path))) return Files.newInputStream(folder.resolve(path));
                }
                throw new IOException("no asset " + path);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        };
        String manifest = new String(files.open("edgekit/bundle.json").readAllBytes(), "UTF-8");
        BundleModel model = ManifestReaderKt.readManifest(manifest).model(words[1]);
        BenchmarkRequest request = new BenchmarkRequest(words[0], model.getFile(), model.getSha256(), 1, 3, 2);
        BenchmarkResult result = new Benchmark(files, words[1], System::nanoTime, new Remembering(files)).run(request);
        DeviceFacts phone = new DeviceFacts("Maker", "Phone", null, 34, List.of("arm64-v8a"), false, 0);
        System.out.print(ResultDocumentKt.resultDocument(result, new Surroundings(words[2], null, phone, words[3], "1")));
    }

    private static class Remembering implements Opener {
        private final BundleFiles files;

        Remembering(BundleFiles files) {
            this.files = files;
        }

        @Override
        public String place(BundleModel model) {
            return model.getFile();
        }

        @Override
        public Session open(BundleModel model, String place, int threads) {
            return new Session() {
                @Override
                public List<ByteBuffer> run(List<? extends ByteBuffer> inputs) {
                    for (GoldenVector vector : model.getGolden()) {
                        if (read(vector.getInputs()).equals(inputs)) return read(vector.getOutputs());
                    }
                    throw new IllegalStateException("inputs of no golden vector");
                }

                @Override
                public void close() {
                }
            };
        }

        private List<ByteBuffer> read(List<GoldenTensor> tensors) {
            return tensors.stream().map(t -> GoldenKt.readGolden(files, t)).collect(Collectors.toList());
        }
    }
}
