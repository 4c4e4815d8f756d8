import java.io.IOException;

/** Prints the records that the producers of other people write, one a line; see {@link Line}. */
public final class Producers {
    public static void main(String[] arguments) throws IOException {
        Events.print();
        Changes.print();
    }

    private Producers() {}
}
