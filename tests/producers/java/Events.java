import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.message.Encoding;
import io.cloudevents.jackson.JsonFormat;
import io.cloudevents.kafka.CloudEventSerializer;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.OffsetDateTime;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;

/** Events in every kind of content, written by CloudEvents' serializer for Kafka in each of its modes. */
final class Events {
    private static final String TOPIC = "events";
    // As a text the format writes whatever is no JSON, also bytes that are none.
    private static final Set<String> TEXTS = Set.of("text", "empty text", "xml", "svg");

    static void print() throws IOException {
        for (Map.Entry<String, CloudEvent> event : events().entrySet()) {
            String name = event.getKey();
            print("binary " + name, event.getValue(), Map.of());
            print("structured " + name, event.getValue(), structured(new JsonFormat()));
            if (TEXTS.contains(name)) {
                JsonFormat textual = new JsonFormat().withForceNonJsonDataToString();
                print("text " + name, event.getValue(), structured(textual));
            }
        }
    }

    private static Map<String, Object> structured(JsonFormat format) {
        return Map.of(
                CloudEventSerializer.ENCODING_CONFIG, Encoding.STRUCTURED,
                CloudEventSerializer.EVENT_FORMAT_CONFIG, format);
    }

    private static void print(String name, CloudEvent event, Map<String, Object> options) throws IOException {
        try (CloudEventSerializer serializer = new CloudEventSerializer()) {
            serializer.configure(options, false);
            Headers headers = new RecordHeaders();
            byte[] value = serializer.serialize(TOPIC, headers, event);
            Line.print(name, TOPIC, null, value, headers);
        }
    }

    private static Map<String, CloudEvent> events() {
        Map<String, CloudEvent> events = new LinkedHashMap<>();
        put(events, "json", "application/json", "{\"user\":\"Zoë\",\"total\":12.5}");
        put(events, "json of a vendor", "application/vnd.shop+json; charset=utf-8", "[1,null,\"ü\"]");
        put(events, "json text", "application/json", "\"grüße\"");
        put(events, "json null", "application/json", "null");
        put(events, "text", "text/plain", "grüße \"you\"");
        put(events, "xml", "application/xml", "<order id=\"1\">ü</order>");
        put(events, "svg", "image/svg+xml", "<svg/>");
        put(events, "empty text", "text/plain", "");
        events.put("bytes", event().withData("image/png", new byte[] {(byte) 0x89, 'P', 'N', 'G', 0}).build());
        events.put("untyped json", event().withData("{\"n\":1}".getBytes(StandardCharsets.UTF_8)).build());
        events.put("no data", event().build());
        events.put("no data of a type", event().withDataContentType("text/plain").build());
        return events;
    }

    private static void put(Map<String, CloudEvent> events, String name, String type, String data) {
        events.put(name, event().withData(type, data.getBytes(StandardCharsets.UTF_8)).build());
    }

    /** An event with all attributes that there are, and extensions of each type. */
    private static CloudEventBuilder event() {
        return CloudEventBuilder.v1()
                .withId("7")
                .withSource(URI.create("/shop/ü?x=1"))
                .withType("order.created")
                .withSubject("Zoë & co")
                .withDataSchema(URI.create("https://shop.example/order.json"))
                .withTime(OffsetDateTime.parse("2026-01-31T12:00:00.123456789+02:00"))
                .withExtension("socketid", "1.2")
                .withExtension("partitionkey", "zoe")
                .withExtension("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
                .withExtension("attempt", 3)
                .withExtension("express", true);
    }

    private Events() {}
}
