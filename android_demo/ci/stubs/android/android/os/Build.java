package android.os;

// The values are read on the phone: an initialiser that is no constant keeps javac from inlining them.
public class Build {
    public static final String HARDWARE = unknown();
    public static final String MANUFACTURER = unknown();
    public static final String MODEL = unknown();
    public static final String SOC_MODEL = unknown();
    public static final String[] SUPPORTED_ABIS = {unknown()};

    public Build() { throw new RuntimeException("stub"); }

    private static String unknown() { throw new RuntimeException("stub"); }

    public static class VERSION {
        public static final int SDK_INT = Integer.parseInt(unknown());

        public VERSION() { throw new RuntimeException("stub"); }
    }
}
