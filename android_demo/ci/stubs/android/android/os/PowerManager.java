package android.os;

public final class PowerManager {
    PowerManager() { throw new RuntimeException("stub"); }

    public int getCurrentThermalStatus() { throw new RuntimeException("stub"); }
}
