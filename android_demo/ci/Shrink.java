import com.android.tools.r8.CompilationFailedException;
import com.android.tools.r8.Diagnostic;
import com.android.tools.r8.DiagnosticsHandler;
import com.android.tools.r8.R8;
import com.android.tools.r8.R8Command;
import com.android.tools.r8.diagnostic.MissingDefinitionInfo;
import com.android.tools.r8.diagnostic.MissingDefinitionsDiagnostic;
import com.android.tools.r8.origin.Origin;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * Runs R8 on FILE=LIST after FILE=LIST: files of arguments, and the classes that may be missing there.
 *
 * R8 first runs without the list and names what it misses. That and the list must be the same, name for name: a class
 * on the list that is not missing would hide the day on which it is. Only then R8 runs with a -dontwarn for each.
 */
public class Shrink {
    public static void main(String[] pairs) throws Exception {
        for (String pair : pairs) {
            String[] parts = pair.split("=", 2);
            String[] arguments = Files.readAllLines(Path.of(parts[0])).toArray(String[]::new);
            Path list = Path.of(parts[1]);
            TreeSet<String> allowed = Files.readAllLines(list).stream().map(line -> line.replaceAll("#.*", "").strip())
                .filter(line -> !line.isEmpty()).collect(Collectors.toCollection(TreeSet::new));
            Said said = new Said();
            boolean done = run(arguments, List.of(), said);
            compare(said, allowed, list);
            if (!done && !run(arguments, rules(allowed), said = new Said())) {
                said.errors.forEach(System.err::println);
                System.exit(3);
            }
        }
    }

    private static boolean run(String[] arguments, List<String> rules, Said said) {
        try {
            R8.run(R8Command.parse(arguments, Origin.root(), said).addProguardConfiguration(rules, Origin.unknown())
                .build());
            return true;
        } catch (CompilationFailedException failed) {
            if (said.missing.isEmpty() && said.errors.isEmpty()) said.errors.add(failed.toString());
            return false;
        }
    }

    private static List<String> rules(TreeSet<String> allowed) {
        return allowed.stream().map(name -> "-dontwarn " + name).collect(Collectors.toList());
    }

    private static void compare(Said said, TreeSet<String> allowed, Path list) {
        List<String> wrong = new ArrayList<>(said.errors);
        said.missing.forEach((name, message) -> {
            if (!allowed.contains(name)) wrong.add(message + "\n  It is used and not there. Next: correct the code; if "
                + "the runtime's own library brings it, add " + name + " to " + list);
        });
        for (String name : allowed) {
            if (!said.missing.containsKey(name)) wrong.add(list + " names " + name + ", which is not missing. "
                + "Next: take it off the list");
        }
        if (wrong.isEmpty()) return;
        wrong.forEach(System.err::println);
        System.exit(3);
    }

    /** What R8 reports: missing definitions by name, all other errors as they are. */
    private static class Said implements DiagnosticsHandler {
        final Map<String, String> missing = new TreeMap<>();
        final List<String> errors = new ArrayList<>();

        @Override
        public void error(Diagnostic error) {
            if (!(error instanceof MissingDefinitionsDiagnostic)) {
                errors.add(error.getOrigin() + ": " + error.getDiagnosticMessage());
                return;
            }
            for (MissingDefinitionInfo info : ((MissingDefinitionsDiagnostic) error).getMissingDefinitions()) {
                String message = info.getDiagnosticMessage();
                missing.put(info.isMissingClass() ? info.asMissingClass().getClassReference().getTypeName() : message,
                    message);
            }
        }
    }
}
