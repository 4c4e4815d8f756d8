import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/** A record as Kafka would get it, written as a line of JSON: bytes are in base64. */
final class Line {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    static void print(String name, String topic, byte[] key, byte[] value, Headers headers) throws IOException {
        List<Object> pairs = new ArrayList<>();
        for (Header header : headers) {
            pairs.add(new Object[] {header.key(), header.value()});
        }
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("name", name);
        line.put("topic", topic);
        line.put("key", key);
        line.put("value", value);
        line.put("headers", pairs);
        OUT.println(MAPPER.writeValueAsString(line));
    }

    private Line() {}
}
