package android.content;

public class Intent {
    public String getStringExtra(String name) { throw new RuntimeException("stub"); }

    public int getIntExtra(String name, int defaultValue) { throw new RuntimeException("stub"); }
}
