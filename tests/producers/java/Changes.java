import io.debezium.connector.mongodb.transforms.ExtractNewDocumentState;
import io.debezium.converters.CloudEventsConverter;
import io.debezium.transforms.ExtractNewRecordState;
import java.io.IOException;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;
import org.apache.kafka.connect.transforms.Transformation;

/** Changes of rows and documents, written as Connect writes them: by each converter, in and out of their envelope. */
final class Changes {
    private static final Instant NOW = Instant.parse("2026-01-31T10:00:00.250Z");

    static void print() throws IOException {
        for (Map.Entry<String, SourceRecord> row : Rows.records(NOW).entrySet()) {
            print(row.getKey(), row.getValue(), new ExtractNewRecordState<>());
        }
        for (Map.Entry<String, SourceRecord> document : Documents.records(NOW).entrySet()) {
            print(document.getKey(), document.getValue(), new ExtractNewDocumentState<>());
        }
    }

    private static void print(String name, SourceRecord record, Transformation<SourceRecord> unwrap)
            throws IOException {
        printByJson(name, record);
        printByCloudEvents(name, record, Map.of("json.schemas.enable", "false"));
        printByCloudEvents(name + ", schema", record, Map.of("json.schemas.enable", "true"));
        printByCloudEvents(name + ", no extensions", record, Map.of("extension.attributes.enable", "false"));
        printByJson(name + ", unwrapped", applied(unwrap, record, Map.of()));
        Map<String, String> rewritten = Map.of("delete.tombstone.handling.mode", "rewrite");
        printByJson(name + ", rewritten", applied(unwrap, record, rewritten));
        Map<String, String> marked = new HashMap<>(rewritten);
        marked.put("add.fields", "op,source.ts_ms");
        printByJson(name + ", marked", applied(unwrap, record, marked));
        printByJson(name + ", marked by headers", applied(unwrap, record, Map.of("add.headers", "op,source.ts_ms")));
    }

    private static SourceRecord applied(
            Transformation<SourceRecord> unwrap, SourceRecord record, Map<String, String> options) {
        unwrap.configure(options);
        return unwrap.apply(record);
    }

    private static void printByJson(String name, SourceRecord record) throws IOException {
        for (boolean hasSchema : new boolean[] {false, true}) {
            Map<String, Object> options = Map.of("schemas.enable", hasSchema);
            String format = hasSchema ? "schema " : "json ";
            print(format + name, record, configured(new JsonConverter(), options, false), options);
        }
    }

    private static void printByCloudEvents(String name, SourceRecord record, Map<String, String> options)
            throws IOException {
        Converter values = configured(new CloudEventsConverter(), options, false);
        print("cloudevents " + name, record, values, Map.of("schemas.enable", false));
    }

    private static Converter configured(Converter converter, Map<String, ?> options, boolean isKey) {
        converter.configure(options, isKey);
        return converter;
    }

    /** Write a record as Connect's worker does; one that a transformation has dropped is not written. */
    private static void print(String name, SourceRecord record, Converter values, Map<String, ?> keyOptions)
            throws IOException {
        if (record == null) {
            return;
        }
        Converter keys = configured(new JsonConverter(), keyOptions, true);
        Headers headers = new RecordHeaders();
        SimpleHeaderConverter converter = new SimpleHeaderConverter();
        for (Header header : record.headers()) {
            headers.add(
                    header.key(),
                    converter.fromConnectHeader(record.topic(), header.key(), header.schema(), header.value()));
        }
        byte[] key = keys.fromConnectData(record.topic(), headers, record.keySchema(), record.key());
        byte[] value = values.fromConnectData(record.topic(), headers, record.valueSchema(), record.value());
        Line.print(name, record.topic(), key, value, headers);
    }

    private Changes() {}
}
